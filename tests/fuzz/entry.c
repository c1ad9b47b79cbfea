/*
 * Cache entries. The checksum keeps chance out, so the last bytes are made right first; an entry that is then read is
 * written again as the same bytes.
 */
#include "fuzz.h"

#include "cache/entry.h"

#include <string.h>
#include <xxhash.h>

enum { CHECKSUM_SIZE = sizeof(XXH128_canonical_t) };

static void read_and_write(const uint8_t *data, size_t size) {
  struct cache_entry entry;
  struct cache_reason reason = {0};
  unsigned char *again;
  size_t again_size;
  if (!cache_entry_decode(data, size, NULL, &entry, &reason))
    return;
  fuzz_expect(cache_entry_encode(&entry, &again, &again_size, &reason));
  fuzz_expect(again_size == size && memcmp(again, data, size) == 0);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  XXH128_canonical_t checksum;
  read_and_write(data, size);
  uint8_t *sealed = malloc(size + 1);
  fuzz_expect(sealed != NULL);
  if (size)
    memcpy(sealed, data, size);
  if (size >= CHECKSUM_SIZE) {
    XXH128_canonicalFromHash(&checksum, XXH3_128bits(sealed, size - CHECKSUM_SIZE));
    memcpy(sealed + size - CHECKSUM_SIZE, &checksum, CHECKSUM_SIZE);
    read_and_write(sealed, size);
  }
  free(sealed);
  return 0;
}
