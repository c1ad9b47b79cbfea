/* The key of a compiled kernel: XXH3-128 over everything that its bytes depend on, apart from the compiler,
 * which is in the file name (see paths.h).
 *
 * The hashed text is a sequence of items, each one
 *
 *   item  = size(name) name size(bytes) bytes
 *   size  = 64-bit little-endian byte count
 *
 * so that no two different sequences have the same encoding. The first item is always "format" with
 * CACHE_KEY_FORMAT. A key is kept in XXH3's canonical (big-endian) form. */
#ifndef FLASHJIT_CACHE_KEY_H
#define FLASHJIT_CACHE_KEY_H

#include "cache/hash.h"

#include <stdbool.h>
#include <stddef.h>

#define CACHE_KEY_FORMAT "flashjit key 1"

enum { CACHE_KEY_SIZE = 16, CACHE_KEY_DIGITS = 2 * CACHE_KEY_SIZE };

struct cache_key {
  unsigned char bytes[CACHE_KEY_SIZE];
};

/* Must lie at a multiple of 64, as on the stack: not in memory from malloc. */
struct cache_key_builder {
  XXH3_state_t state;
};

void cache_key_begin(struct cache_key_builder *builder);
/* `bytes` may be NULL when `size` is 0. */
void cache_key_add(struct cache_key_builder *builder, const char *name, const void *bytes, size_t size);
struct cache_key cache_key_end(const struct cache_key_builder *builder);

/* Lower-case digits and a NUL. */
void cache_key_hex(const struct cache_key *key, char hex[CACHE_KEY_DIGITS + 1]);
bool cache_key_equal(const struct cache_key *a, const struct cache_key *b);

#endif
