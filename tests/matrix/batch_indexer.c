/* Lists shorter than the KV and longer, blocks that are forced, scores that are equal or no numbers. */
#include "tests/matrix/batch_indexer.h"

#include "tests/dtypes.h"

#include <math.h>

static bool is_index(const struct batch_case *batch) {
  return batch->spec.op == FI_OP_INDEXER;
}

static uint32_t query_heads(const struct batch_case *batch) {
  return batch->kv_heads * batch->spec.group;
}

static uint32_t lists_of_token(const struct batch_case *batch) {
  return batch->spec.scores == FI_SCORES_HEADS ? query_heads(batch) : batch->kv_heads;
}

static uint32_t longest_blocks(const struct batch_case *batch) {
  uint32_t most = 1;
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t blocks = (batch->kv_len[r] + batch->spec.select - 1) / batch->spec.select;
    most = blocks > most ? blocks : most;
  }
  return most;
}

/* Token after token or list after list, packed or with gaps. */
static size_t draw_strides(struct batch_case *batch, struct trial *trial) {
  const int64_t lists = lists_of_token(batch);
  const int64_t tokens = batch->workspace.max_tokens;
  const int64_t row = batch->workspace.max_selected + trial_between(trial, 0, 2);
  const uint32_t kind = trial_between(trial, 0, 2);
  batch->list_head_stride = kind == 0 ? 0 : row;
  batch->list_token_stride = kind == 0 ? 0 : row * (kind == 1 ? lists : 1);
  if (kind == 2)
    batch->list_head_stride = row * tokens;
  return (size_t)(lists * tokens * row);
}

bool batch_indexer_create(struct batch_case *batch, struct trial *trial) {
  if (!is_index(batch))
    return true;
  const uint32_t most = longest_blocks(batch);
  const uint32_t wanted = trial_chance(trial, 3) ? most + 2 : 1 + most / trial_between(trial, 1, 8);
  batch->workspace.max_selected = trial_between(trial, 1, wanted);
  batch->first_blocks = trial_chance(trial, 2) ? 0 : trial_between(trial, 0, batch->workspace.max_selected);
  batch->last_blocks =
      trial_chance(trial, 2) ? 0 : trial_between(trial, 0, batch->workspace.max_selected - batch->first_blocks);
  batch->is_whole = trial_chance(trial, 2);
  batch->has_large_scores = batch->spec.scores == FI_SCORES_HEADS && trial_chance(trial, 2);
  batch->weight_stride = query_heads(batch) + trial_between(trial, 0, 3);
  const size_t weights = (size_t)batch->weight_stride * batch->tokens;
  return batch_case_buffer(batch, trial, BUFFER_LISTS, draw_strides(batch, trial), sizeof(int32_t)) &&
         batch_case_buffer(batch, trial, BUFFER_WEIGHTS, weights, sizeof(float));
}

/* The first elements of Q and K, whose product is so large that other scores differ in the last bits alone. */
static const double large_query = 0x1p14;
static const double large_key = 0x1p8;

/* A row of whole numbers from -2 to 2. */
static void draw_row(const struct batch_case *batch, struct trial *trial, uint32_t dtype, void *data, int64_t offset) {
  for (uint32_t d = 0; d < batch->spec.head_dim; d++)
    dtype_encode(dtype, (double)trial_between(trial, 0, 4) - 2, data, (size_t)offset + d);
}

/* K of a token: one of a few rows, so that scores are equal, and at times one that is no number. */
static void draw_key(struct batch_case *batch, struct trial *trial, const struct reference *reference, uint32_t request,
                     uint32_t token, uint32_t head) {
  const fi_spec *spec = &batch->spec;
  void *data = reference->tensors.k.data;
  const int64_t offset = reference_cache_offset(reference, request, token, head);
  const struct reference_scales scales = reference_k_scales(reference, request, token, head);
  draw_row(batch, trial, spec->kv_dtype, data, offset);
  if (batch->has_large_scores)
    dtype_encode(spec->kv_dtype, large_key, data, (size_t)offset);
  if (token > 0 && trial_chance(trial, 3)) {
    const int64_t other = reference_cache_offset(reference, request, token - 1, head);
    for (uint32_t d = 0; d < spec->head_dim; d++)
      dtype_encode(spec->kv_dtype, dtype_decode(spec->kv_dtype, data, (size_t)other + d), data, (size_t)offset + d);
  }
  if (trial_chance(trial, 40))
    dtype_encode(spec->kv_dtype, NAN, data, (size_t)offset + random_below(&trial->random, spec->head_dim));
  if (spec->kv_scale == FI_SCALE_TOKEN)
    dtype_encode(FI_F32, exp2((double)trial_between(trial, 0, 3) - 2), (void *)(uintptr_t)scales.data,
                 (size_t)scales.first);
}

static void draw_whole(struct batch_case *batch, struct trial *trial) {
  const struct reference reference = batch_case_reference(batch);
  void *q = batch->buffers[BUFFER_Q].host;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < query_heads(batch); head++) {
      const int64_t offset = reference_q_offset(&reference, token, head);
      draw_row(batch, trial, batch->spec.q_dtype, q, offset);
      if (batch->has_large_scores)
        dtype_encode(batch->spec.q_dtype, large_query, q, (size_t)offset);
    }
  }
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t token = 0; token < batch->kv_len[r]; token++) {
      for (uint32_t head = 0; head < batch->kv_heads; head++)
        draw_key(batch, trial, &reference, r, token, head);
    }
  }
}

void batch_indexer_draw(struct batch_case *batch, struct trial *trial) {
  float *weights = batch->buffers[BUFFER_WEIGHTS].host;
  if (!is_index(batch))
    return;
  for (size_t i = 0; i < batch->buffers[BUFFER_WEIGHTS].bytes / sizeof *weights; i++)
    weights[i] = batch->is_whole ? (float)trial_between(trial, 0, 4) - 1 : (float)trial_between(trial, 0, 1000) / 700;
  if (batch->is_whole)
    draw_whole(batch, trial);
}

void batch_indexer_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  if (!is_index(batch))
    return;
  tensors->lists = (int32_t *)(uintptr_t)batch_case_pointer(batch, BUFFER_LISTS, on_host);
  tensors->selected_token_stride = batch->list_token_stride;
  tensors->selected_head_stride = batch->list_head_stride;
  tensors->weights = batch_case_pointer(batch, BUFFER_WEIGHTS, on_host);
  tensors->weight_stride = batch->weight_stride;
  tensors->first_blocks = batch->first_blocks;
  tensors->last_blocks = batch->last_blocks;
}
