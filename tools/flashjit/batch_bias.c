/* Logits of query tokens lie as Q does, with a distance in place of each element of a head. */
#include "tools/flashjit/batch_bias.h"

#include "tests/dtypes.h"

#include <math.h>
#include <string.h>

/* Random bytes that fill a buffer of gigabytes again and again. */
enum { PATTERN_BYTES = 1 << 23 };

static bool has_logits(const struct batch_memory *batch) {
  return batch->spec.bias == FI_BIAS_TOKEN_DISTANCE;
}

static size_t query_heads(const struct batch_memory *batch) {
  return (size_t)batch->kv_heads * batch->spec.group;
}

size_t batch_bias_row_bytes(const struct batch_memory *batch) {
  const size_t of_head = batch->rel_extent * dtype_bytes(batch->spec.q_dtype);
  return query_heads(batch) * (has_logits(batch) ? of_head : sizeof(float));
}

size_t batch_bias_bytes(const struct batch_memory *batch) {
  if (batch->spec.bias == FI_BIAS_NONE)
    return 0;
  return (has_logits(batch) ? batch->input_rows : 1) * batch_bias_row_bytes(batch);
}

static void fill_logits(struct batch_memory *batch, random_state *random) {
  const struct mirror *logits = &batch->buffers[BUFFER_BIAS];
  const uint32_t dtype = batch->spec.q_dtype;
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
  if (has_logits(batch))
    fill_logits(batch, random);
  else if (batch->spec.bias == FI_BIAS_SLOPES)
    fill_slopes(batch);
  mirror_upload(bias, device, bias->bytes);
}

void batch_bias_tensors(const struct batch_memory *batch, bool on_host, fi_tensors *tensors) {
  char *bias = batch_pointer(batch, BUFFER_BIAS, on_host);
  if (batch->spec.bias == FI_BIAS_SLOPES)
    tensors->slopes = (float *)(void *)bias;
  if (!has_logits(batch))
    return;
  tensors->bias = bias + batch->input_begin * batch_bias_row_bytes(batch);
  tensors->bias_extent = batch->rel_extent;
  tensors->bias_head_stride = batch->rel_extent;
  tensors->bias_token_stride = (int64_t)query_heads(batch) * batch->rel_extent;
}
