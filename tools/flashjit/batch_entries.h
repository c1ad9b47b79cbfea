/*
 * The compressed entries of a batch's requests: a second KV, in pages and of lengths of its own, that grows by an entry
 * when so many tokens have come. Nothing is done for batches without such.
 */
#ifndef TOOLS_FLASHJIT_BATCH_ENTRIES_H
#define TOOLS_FLASHJIT_BATCH_ENTRIES_H

#include "tools/flashjit/batch_memory.h"

void batch_entries_measure(struct batch_memory *batch);
size_t batch_entries_bytes(const struct batch_memory *batch, enum buffer buffer);

/* False without memory. */
bool batch_entries_create(struct batch_memory *batch, random_state *random);

/* Pages of a request that is done, whose length is still there; and those of a piece. */
void batch_entries_return(struct batch_memory *batch, uint32_t slot);
void batch_entries_deal(struct batch_memory *batch, const struct piece *piece);

/* Lengths, and what a step appends. */
void batch_entries_begin_step(struct batch_memory *batch, struct device *device, const struct step *step);

/* What attention takes of them. */
void batch_entries_describe(const struct batch_memory *batch, bool on_host, fi_batch *lengths);
void batch_entries_tensors(const struct batch_memory *batch, bool on_host, fi_tensors *tensors);

#endif
