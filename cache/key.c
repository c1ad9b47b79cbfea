/* Builds keys. */
#include "cache/key.h"

#include "cache/bytes.h"

#include <string.h>

static void add_sized(struct cache_key_builder *builder, const void *bytes, size_t size) {
  unsigned char prefix[8];
  bytes_put(prefix, sizeof prefix, size);
  XXH3_128bits_update(&builder->state, prefix, sizeof prefix);
  if (size > 0)
    XXH3_128bits_update(&builder->state, bytes, size);
}

void cache_key_begin(struct cache_key_builder *builder) {
  XXH3_128bits_reset(&builder->state);
  cache_key_add(builder, "format", CACHE_KEY_FORMAT, strlen(CACHE_KEY_FORMAT));
}

void cache_key_add(struct cache_key_builder *builder, const char *name, const void *bytes, size_t size) {
  add_sized(builder, name, strlen(name));
  add_sized(builder, bytes, size);
}

struct cache_key cache_key_end(const struct cache_key_builder *builder) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&builder->state));
  struct cache_key key;
  memcpy(key.bytes, canonical.digest, sizeof key.bytes);
  return key;
}

void cache_key_hex(const struct cache_key *key, char hex[CACHE_KEY_DIGITS + 1]) {
  bytes_print_hex(key->bytes, CACHE_KEY_SIZE, hex);
}

bool cache_key_equal(const struct cache_key *a, const struct cache_key *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
