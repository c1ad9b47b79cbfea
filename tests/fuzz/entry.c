/*
 * Cache entries. The checksum keeps chance out, so the last bytes are made right first; an entry that is then read is
 * written again as the same bytes.
 */
#include "fuzz.h"

#include "cache/entry.h"
#include "seal.h"

#include <string.h>

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
  uint8_t *sealed = fuzz_sealed(data, size);
  read_and_write(data, size);
  read_and_write(sealed, size);
  free(sealed);
  return 0;
}
