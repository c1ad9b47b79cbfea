/* Makes checksums right, which keep chance out. */
#include "seal.h"

#include "cache/checksum.h"
#include "fuzz.h"

#include <string.h>

uint8_t *fuzz_sealed(const uint8_t *data, size_t size) {
  uint8_t *sealed = malloc(size + 1);
  fuzz_expect(sealed != NULL);
  if (size)
    memcpy(sealed, data, size);
  if (size >= CACHE_CHECKSUM_SIZE)
    cache_checksum(sealed, size - CACHE_CHECKSUM_SIZE, sealed + size - CACHE_CHECKSUM_SIZE);
  return sealed;
}
