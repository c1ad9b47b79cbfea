/* Logits of query tokens lie as Q does, with a distance in place of each element of a head; those of distances as one
 * row of these. */
#include "tools/flashjit/batch_bias.h"

#include "tests/dtypes.h"

#include <math.h>

static bool has_logits(const struct batch_memory *batch) {
  return batch->spec.bias == FI_BIAS_TOKEN_DISTANCE;
}

/* By distance alone: of all that there may be. */
static bool has_distances(const struct batch_memory *batch) {
  return batch->spec.bias == FI_BIAS_DISTANCE;
}

static uint32_t extent_of(const struct batch_memory *batch) {
  return has_logits(batch) ? batch->rel_extent : has_distances(batch) ? batch->schedule->max_kv_len : 1;
}

static uint32_t dtype_of_bias(const struct batch_memory *batch) {
  return has_logits(batch) ? batch->spec.q_dtype : (uint32_t)FI_F32;
}

size_t batch_bias_row_bytes(const struct batch_memory *batch) {
  return batch_query_heads(batch) * extent_of(batch) * dtype_bytes(dtype_of_bias(batch));
}

size_t batch_bias_bytes(const struct batch_memory *batch) {
  if (batch->spec.bias == FI_BIAS_NONE)
    return 0;
  return (has_logits(batch) ? batch->input_rows : 1) * batch_bias_row_bytes(batch);
}

/* From 1/2 to 1/256, as ALiBi has them. */
static void fill_slopes(struct batch_memory *batch) {
  const size_t heads = batch_query_heads(batch);
  float *slopes = batch->buffers[BUFFER_BIAS].host;
  for (size_t head = 0; head < heads; head++)
    slopes[head] = exp2f(-8 * (float)(head + 1) / (float)heads);
}

void batch_bias_fill(struct batch_memory *batch, struct device *device, random_state *random) {
  const struct mirror *bias = &batch->buffers[BUFFER_BIAS];
  if (has_logits(batch) || has_distances(batch))
    random_pattern(random, dtype_of_bias(batch), bias->host, bias->bytes);
  else if (batch->spec.bias == FI_BIAS_SLOPES)
    fill_slopes(batch);
  mirror_upload(bias, device, bias->bytes);
}

void batch_bias_tensors(const struct batch_memory *batch, bool on_host, fi_tensors *tensors) {
  char *bias = batch_pointer(batch, BUFFER_BIAS, on_host);
  if (batch->spec.bias == FI_BIAS_SLOPES)
    tensors->slopes = (float *)(void *)bias;
  if (!has_logits(batch) && !has_distances(batch))
    return;
  tensors->bias = bias;
  tensors->bias_extent = extent_of(batch);
  tensors->bias_head_stride = extent_of(batch);
  if (!has_logits(batch))
    return;
  tensors->bias = bias + batch->input_begin * batch_bias_row_bytes(batch);
  tensors->bias_token_stride = (int64_t)batch_query_heads(batch) * extent_of(batch);
}
