/* The lists of a batch's query tokens, and what an indexer makes them of. Nothing is done for batches without lists. */
#ifndef TOOLS_FLASHJIT_BATCH_LISTS_H
#define TOOLS_FLASHJIT_BATCH_LISTS_H

#include "tools/flashjit/batch_memory.h"

size_t batch_lists_bytes(const struct batch_memory *batch, enum buffer buffer);

/* The weights of an indexer's heads. */
void batch_lists_fill(struct batch_memory *batch, struct device *device, random_state *random);

/* Their lengths, and lists, which of an indexer are poison. */
void batch_lists_begin_step(struct batch_memory *batch, struct device *device, const struct step *step);

#endif
