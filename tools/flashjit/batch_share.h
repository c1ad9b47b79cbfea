/* The heads of a layer that one of several devices has: from the memory of the whole layer, and back to it. */
#ifndef TOOLS_FLASHJIT_BATCH_SHARE_H
#define TOOLS_FLASHJIT_BATCH_SHARE_H

#include "tools/flashjit/batch_memory.h"

/* Device `number` of `count`: its query heads, and the KV heads that these read. Fewer KV heads than devices are
 * replicated. */
struct share {
  uint32_t number;
  uint32_t count;
};

/* Copies the inputs of the share from the whole's host memory, and uploads them. Both were made alike, from one seed.
 */
void batch_take_share(struct batch_memory *part, const struct batch_memory *whole, struct share share,
                      struct device *device);

/*
 * Copies what a step left in the host memory of a share, O, lists and the step's rows of the caches, into the whole's.
 * False with the KV head, and with what it is of, when a replica of it has other bytes there.
 */
bool batch_give_share(const struct batch_memory *part, struct batch_memory *whole, struct share share,
                      const struct step *step, uint32_t *kv_head, const char **what);

#endif
