/* One change to a call that works, and what the call must then answer. */
#ifndef TESTS_RUNTIME_CHANGE_H
#define TESTS_RUNTIME_CHANGE_H

#include "flashjit.h"

#include <stddef.h>

/* A field of a struct gets a value. */
struct change {
  const char *spec; /* of the kernel, as each table says */
  size_t offset;    /* in the struct */
  size_t size;
  uint64_t value;
  fi_status status;
  const char *message; /* a part of it */
};

#define CHANGE(type, field, value) offsetof(type, field), sizeof(((type *)NULL)->field), (uint64_t)(value)

void change_apply(const struct change *change, void *record);

/* Of a call that works: for 8 requests and lists of 32, at an address that is never read. */
fi_workspace good_workspace(const fi_kernel *kernel, uint32_t max_tokens);

/* The status of the changed call, and its message, are those of the change. */
void change_expect(const struct change *change, fi_status status);

#endif
