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

typedef struct {
  unsigned char bytes[CACHE_KEY_SIZE];
} cache_key;

/* Must lie at a multiple of 64, as on the stack: not in memory from malloc. */
typedef struct {
  XXH3_state_t state;
} cache_key_builder;

void cache_key_begin(cache_key_builder *builder);
/* `bytes` may be NULL when `size` is 0. */
void cache_key_add(cache_key_builder *builder, const char *name, const void *bytes, size_t size);
cache_key cache_key_end(const cache_key_builder *builder);

/* Lower-case digits and a NUL. */
void cache_key_hex(const cache_key *key, char hex[CACHE_KEY_DIGITS + 1]);
bool cache_key_equal(const cache_key *a, const cache_key *b);

#endif
