/* Images of entries: cubins and PTX, for a target that the first byte chooses. */
#include "fuzz.h"

#include "cache/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const targets[] = {"sm_90a", "sm_80", "compute_90a", "compute_80"};
  struct cache_reason reason = {0};
  if (size == 0)
    return 0;
  const char *target = targets[data[0] % (sizeof targets / sizeof *targets)];
  cache_image_check(data + 1, size - 1, target, "flashjit_attention", &reason);
  return 0;
}
