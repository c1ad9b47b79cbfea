/* Packed bytes, for a size that the first two bytes say. What they are packed into again unpacks to the same. */
#include "fuzz.h"

#include "cache/lz.h"

#include <string.h>

static void pack_again(const unsigned char *bytes, size_t size) {
  unsigned char *packed = malloc(cache_lz_bound(size));
  unsigned char *again = malloc(size + 1);
  fuzz_expect(packed && again);
  const size_t packed_size = cache_lz_pack(bytes, size, packed);
  fuzz_expect(packed_size > 0 && cache_lz_unpack(packed, packed_size, again, size));
  fuzz_expect(memcmp(bytes, again, size) == 0);
  free(again);
  free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  const size_t unpacked = (size_t)data[0] + 256u * data[1];
  unsigned char *bytes = malloc(unpacked + 1);
  fuzz_expect(bytes != NULL);
  if (cache_lz_unpack(data + 2, size - 2, bytes, unpacked)) {
    fuzz_expect(unpacked <= cache_lz_most(size - 2));
    pack_again(bytes, unpacked);
  }
  free(bytes);
  return 0;
}
