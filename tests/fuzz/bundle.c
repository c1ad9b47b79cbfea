/*
 * Bundles, with the checksum made right as for entries. What each row of one that is opened unpacks to is read as an
 * entry.
 */
#include "fuzz.h"

#include "cache/bundle.h"
#include "seal.h"

static void read_row(const struct cache_bundle *bundle, uint32_t number) {
  const struct cache_bundle_row row = cache_bundle_row(bundle, number);
  struct cache_reason reason = {0};
  struct cache_entry entry;
  fuzz_expect(cache_bundle_first(bundle, &row.key) <= number);
  fuzz_expect(row.size <= 255 * (uint64_t)row.packed_size);
  unsigned char *bytes = cache_bundle_unpack(&row, &reason);
  if (bytes)
    cache_entry_decode(bytes, row.size, &row.key, &entry, &reason);
  free(bytes);
}

static void read_bundle(const uint8_t *data, size_t size) {
  struct cache_bundle bundle;
  struct cache_reason reason = {0};
  if (!cache_bundle_open(data, size, NULL, &bundle, &reason))
    return;
  for (uint32_t row = 0; row < bundle.rows; row++)
    read_row(&bundle, row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *sealed = fuzz_sealed(data, size);
  read_bundle(sealed, size);
  free(sealed);
  return 0;
}
