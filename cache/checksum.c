/* The checksum that entries and bundles end with. */
#include "cache/checksum.h"

#include "cache/hash.h"

#include <string.h>

void cache_checksum(const void *bytes, size_t size, unsigned char checksum[CACHE_CHECKSUM_SIZE]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
  memcpy(checksum, canonical.digest, CACHE_CHECKSUM_SIZE);
}
