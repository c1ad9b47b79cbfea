/* What is added to a batch's logits: slopes or distances of heads, or logits of query tokens. Nothing is done for specs
 * without. */
#ifndef TOOLS_FLASHJIT_BATCH_BIAS_H
#define TOOLS_FLASHJIT_BATCH_BIAS_H

#include "tools/flashjit/batch_memory.h"

/* Of all heads: one row of slopes or distances, or a row of each input row. */
size_t batch_bias_row_bytes(const struct batch_memory *batch);
size_t batch_bias_bytes(const struct batch_memory *batch);

void batch_bias_fill(struct batch_memory *batch, struct device *device, random_state *random);

void batch_bias_tensors(const struct batch_memory *batch, bool on_host, fi_tensors *tensors);

#endif
