/* Hashes of texts and files: one copy of xxHash's code, where speed is not in question. */
#include "cache/checksum.h"

#include "cache/hash.h"

#include <string.h>

void cache_checksum(const void *bytes, size_t size, unsigned char checksum[CACHE_CHECKSUM_SIZE]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
  memcpy(checksum, canonical.digest, CACHE_CHECKSUM_SIZE);
}

uint64_t cache_hash(const void *bytes, size_t size) {
  return XXH3_64bits(bytes, size);
}
