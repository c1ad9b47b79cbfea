/* The rule for public structs that flashjit.h states: sizes that do not change, and reserved words that are
 * zero. */
#ifndef GENERATOR_ABI_H
#define GENERATOR_ABI_H

#include "flashjit.h"

#include <stddef.h>

/* Every public struct: its name in messages, which is that of its type after "fi_", and its size in this
 * SONAME. */
#define ABI_STRUCTS(STRUCT)                                                                                            \
  STRUCT(spec, 368)                                                                                                    \
  STRUCT(axis, 96)                                                                                                     \
  STRUCT(event, 88)                                                                                                    \
  STRUCT(options, 136)                                                                                                 \
  STRUCT(counters, 128)                                                                                                \
  STRUCT(facts, 224)                                                                                                   \
  STRUCT(workspace, 160)                                                                                               \
  STRUCT(batch, 264)                                                                                                   \
  STRUCT(tensors, 1008)                                                                                                \
  STRUCT(rope, 256)

enum abi_struct {
#define ABI_NUMBER(name, size) ABI_##name,
  ABI_STRUCTS(ABI_NUMBER)
#undef ABI_NUMBER
};

/*
 * FI_OK when the struct is there, has the size of this library's header and zero in every reserved word.
 * Else FI_ERROR_ARGUMENT or FI_ERROR_ABI.
 */
fi_status abi_check(enum abi_struct number, const void *pointer);

/* The same of the reserved words of a record inside of a struct, whose name in messages this is. */
fi_status abi_check_reserved(const char *name, const void *reserved, size_t size);

#endif
