/* Checks the structs that callers hand over. It is here, in the lowest layer, because specs and axes need it
 * too. */
#include "abi.h"

#include "error.h"

#include <stdbool.h>
#include <string.h>

#define CHECK_LAYOUT(name, size)                                                                                       \
  _Static_assert(sizeof(fi_##name) == (size), "fi_" #name " keeps its size: a field takes reserved words");            \
  _Static_assert((size) % 8 == 0, "fi_" #name " has the same size wherever pointers are aligned to 8 bytes");          \
  _Static_assert(offsetof(fi_##name, struct_size) == 0, "fi_" #name " begins with struct_size");                       \
  _Static_assert(offsetof(fi_##name, reserved) + sizeof(((fi_##name *)NULL)->reserved) == (size),                      \
                 "fi_" #name " ends in reserved words");
ABI_STRUCTS(CHECK_LAYOUT)
#undef CHECK_LAYOUT

static const struct layout {
  const char *name;
  uint32_t size;
  uint32_t reserved; /* offset */
} layouts[] = {
#define LAYOUT(name, size) [ABI_##name] = {#name, size, offsetof(fi_##name, reserved)},
    ABI_STRUCTS(LAYOUT)
#undef LAYOUT
};

static uint32_t word_at(const void *pointer, uint32_t offset) {
  uint32_t word;
  memcpy(&word, (const char *)pointer + offset, sizeof word);
  return word;
}

/* All words are zero when the first is and each is like the one before it. */
static bool is_clear(const char *words, size_t size) {
  return word_at(words, 0) == 0 && memcmp(words, words + sizeof(uint32_t), size - sizeof(uint32_t)) == 0;
}

fi_status abi_check_reserved(const char *name, const void *reserved, size_t size) {
  if (is_clear(reserved, size))
    return FI_OK;
  uint32_t offset = 0;
  while (word_at(reserved, offset) == 0)
    offset += sizeof(uint32_t);
  return error_set(FI_ERROR_ABI,
                   "%s.reserved[%zu] is %u; it must be 0: the caller was built against a newer header, or "
                   "did not clear the struct",
                   name, offset / sizeof(uint32_t), word_at(reserved, offset));
}

fi_status abi_check(enum abi_struct number, const void *pointer) {
  const struct layout *layout = &layouts[number];
  if (!pointer)
    return error_set(FI_ERROR_ARGUMENT, "%s is NULL", layout->name);
  const uint32_t size = word_at(pointer, 0);
  if (size != layout->size)
    return error_set(FI_ERROR_ABI, "%s.struct_size is %u; it must be sizeof(fi_%s), %u", layout->name, size,
                     layout->name, layout->size);
  return abi_check_reserved(layout->name, (const char *)pointer + layout->reserved, layout->size - layout->reserved);
}
