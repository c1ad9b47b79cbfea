/* What reader and maker of bundles share. */
#include "cache/bundle_layout.h"

#include <string.h>

const unsigned char bundle_magic[BUNDLE_MAGIC_SIZE] = {'F', 'I', 'B', 'U', 'N', 'D', '\r', '\n'};

void bundle_checksum(const unsigned char *bytes, size_t size, unsigned char checksum[BUNDLE_CHECKSUM_SIZE]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
  memcpy(checksum, canonical.digest, BUNDLE_CHECKSUM_SIZE);
}
