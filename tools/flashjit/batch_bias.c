/* Logits of query tokens lie as Q does, with a distance in place of each element of a head; those of distances as one
 * row of these. */
#include "tools/flashjit/batch_bias.h"

#include "tests/dtypes.h"

#include <math.h>
#include <string.h>

/* Random bytes that fill a buffer of gigabytes again and again: a prime number of words, so that rows differ. */
enum { PATTERN_BYTES = 4 * 2097143 };

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

static size_t query_heads(const struct batch_memory *batch) {
  return (size_t)batch->kv_heads * batch->spec.group;
}

size_t batch_bias_row_bytes(const struct batch_memory *batch) {
  return query_heads(batch) * extent_of(batch) * dtype_bytes(dtype_of_bias(batch));
}

size_t batch_bias_bytes(const struct batch_memory *batch) {
  if (batch->spec.bias == FI_BIAS_NONE)
    return 0;
  return (has_logits(batch) ? batch->input_rows : 1) * batch_bias_row_bytes(batch);
}

static void fill_logits(struct batch_memory *batch, random_state *random) {
  const struct mirror *logits = &batch->buffers[BUFFER_BIAS];
  const uint32_t dtype = dtype_of_bias(batch);
  const size_t pattern = logits->bytes < PATTERN_BYTES ? logits->bytes : PATTERN_BYTES;
  random_normal(random, dtype, logits->host, pattern / dtype_bytes(dtype));
  for (size_t done = pattern; done < logits->bytes; done += pattern)
    memcpy((char *)logits->host + done, logits->host, logits->bytes - done < pattern ? logits->bytes - done : pattern);
}

/* From 1/2 to 1/256, as ALiBi has them. */
static void fill_slopes(struct batch_memory *batch) {
  const size_t heads = query_heads(batch);
  float *slopes = batch->buffers[BUFFER_BIAS].host;
  for (size_t head = 0; head < heads; head++)
    slopes[head] = exp2f(-8 * (float)(head + 1) / (float)heads);
}

void batch_bias_fill(struct batch_memory *batch, struct device *device, random_state *random) {
  const struct mirror *bias = &batch->buffers[BUFFER_BIAS];
  if (has_logits(batch) || has_distances(batch))
    fill_logits(batch, random);
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
  tensors->bias_token_stride = (int64_t)query_heads(batch) * extent_of(batch);
}
