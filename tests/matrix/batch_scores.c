/* Sinks and biases of a random batch. What no query token may read of a bias stays NaN. */
#include "tests/matrix/batch_scores.h"

#include "tests/dtypes.h"

#include <math.h>

enum { MOST_ELEMENTS = 1 << 20, SPARE_ELEMENTS = 5 };

static uint32_t heads_of(const struct batch_case *batch) {
  return batch->kv_heads * batch->spec.group;
}

static bool is_by_token(const fi_spec *spec) {
  return spec->bias == FI_BIAS_TOKEN_DISTANCE || spec->bias == FI_BIAS_DENSE;
}

static uint32_t bias_dtype(const fi_spec *spec) {
  if (spec->bias == FI_BIAS_DENSE)
    return FI_F16;
  return spec->bias == FI_BIAS_TOKEN_DISTANCE ? spec->q_dtype : FI_F32;
}

/* In hundredths, of either sign. */
static double draw_number(struct trial *trial, uint32_t most) {
  return ((double)trial_between(trial, 0, 2 * most) - most) / 100;
}

/* ------------------------------------------------------------------------------------------------ heads */

/* Usual ones, none, and ones that take a row over, of which the last leave next to nothing of O, or nothing. */
static double draw_sink(struct trial *trial) {
  static const double others[] = {-INFINITY, 40, -1e30, 86, 90};
  const uint32_t last = (uint32_t)(sizeof others / sizeof *others - 1);
  return trial_chance(trial, 4) ? others[trial_between(trial, 0, last)] : draw_number(trial, 400);
}

static void fill_heads(struct batch_case *batch, struct trial *trial) {
  for (uint32_t head = 0; head < heads_of(batch); head++) {
    dtype_encode(FI_F32, draw_sink(trial), batch->buffers[BUFFER_SINKS].host, head);
    dtype_encode(FI_F32, exp2(-(double)trial_between(trial, 0, 10)) * (trial_chance(trial, 5) ? -1 : 1),
                 batch->buffers[BUFFER_SLOPES].host, head);
  }
}

static float draw_softcap(struct trial *trial) {
  static const float caps[] = {50, 30, 20, 0.02f, 1000, 3};
  return caps[trial_between(trial, 0, sizeof caps / sizeof *caps - 1)];
}

/* ------------------------------------------------------------------------------------------------ bias */

/* Distances from the first one on: as many as there are, fewer, or more. */
static void draw_distances(struct batch_case *batch, struct trial *trial) {
  const uint32_t most = batch->workspace.max_kv_len;
  batch->bias_extent = trial_chance(trial, 2) ? trial_between(trial, 1, 2 * most) : trial_between(trial, 1, 64);
  if (batch->spec.bias == FI_BIAS_DISTANCE && trial_chance(trial, 2))
    batch->bias_first = (int32_t)trial_between(trial, 0, most) - (int32_t)most / 2;
}

/* Rows are as near to each other as they may be, or not; all heads may have one. */
static void draw_strides(struct batch_case *batch, struct trial *trial, uint32_t row) {
  const int64_t spare = trial_chance(trial, 2) ? trial_between(trial, 0, SPARE_ELEMENTS) : 0;
  const uint64_t elements = (uint64_t)batch->tokens * heads_of(batch) * (uint64_t)(row + spare);
  const bool is_shared = trial_chance(trial, 4) || (is_by_token(&batch->spec) && elements > MOST_ELEMENTS);
  batch->bias_head_stride = is_shared ? 0 : row + spare;
  if (is_by_token(&batch->spec))
    batch->bias_token_stride = is_shared ? row + spare : (row + spare) * heads_of(batch);
}

static double draw_bias(struct batch_case *batch, struct trial *trial, bool hides_all) {
  if (batch->spec.bias == FI_BIAS_DENSE && (hides_all || trial_chance(trial, 4)))
    return -INFINITY;
  return draw_number(trial, 300);
}

static void fill_bias_row(struct batch_case *batch, struct trial *trial, size_t offset, uint32_t elements) {
  const bool hides_all = trial_chance(trial, 8);
  for (uint32_t i = 0; i < elements; i++)
    dtype_encode(bias_dtype(&batch->spec), draw_bias(batch, trial, hides_all), batch->buffers[BUFFER_BIAS].host,
                 offset + i);
}

/* Rows of query tokens have what their request needs; the one table has all. */
static void fill_bias(struct batch_case *batch, struct trial *trial) {
  const uint32_t heads = batch->bias_head_stride > 0 ? heads_of(batch) : 1;
  uint32_t token = batch->first_token;
  if (batch->spec.bias == FI_BIAS_DISTANCE) {
    for (uint32_t head = 0; head < heads; head++)
      fill_bias_row(batch, trial, head * (size_t)batch->bias_head_stride, batch->bias_extent);
    return;
  }
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t row = batch->spec.bias == FI_BIAS_DENSE ? batch->kv_len[r] : batch->bias_extent;
    for (uint32_t i = 0; i < batch->q_len[r]; i++, token++)
      for (uint32_t head = 0; head < heads; head++)
        fill_bias_row(batch, trial, token * (size_t)batch->bias_token_stride + head * (size_t)batch->bias_head_stride,
                      row);
  }
}

static bool create_bias(struct batch_case *batch, struct trial *trial) {
  const bool is_dense = batch->spec.bias == FI_BIAS_DENSE;
  if (!is_dense)
    draw_distances(batch, trial);
  draw_strides(batch, trial, is_dense ? batch->workspace.max_kv_len : batch->bias_extent);
  const size_t row = is_dense ? batch->workspace.max_kv_len : batch->bias_extent;
  const size_t heads = (size_t)batch->bias_head_stride * (heads_of(batch) - 1);
  const size_t tokens = (size_t)batch->bias_token_stride * (batch->tokens > 0 ? batch->tokens - 1 : 0);
  if (!batch_case_buffer(batch, trial, BUFFER_BIAS, tokens + heads + row, dtype_bytes(bias_dtype(&batch->spec))))
    return false;
  fill_bias(batch, trial);
  return true;
}

/* ------------------------------------------------------------------------------------------------ public */

bool batch_scores_draw(struct batch_case *batch, struct trial *trial) {
  if (!batch_case_buffer(batch, trial, BUFFER_SINKS, heads_of(batch), sizeof(float)) ||
      !batch_case_buffer(batch, trial, BUFFER_SLOPES, heads_of(batch), sizeof(float)))
    return false;
  fill_heads(batch, trial);
  batch->softcap = draw_softcap(trial);
  return batch->spec.bias < FI_BIAS_DISTANCE || create_bias(batch, trial);
}

void batch_scores_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  const fi_spec *spec = &batch->spec;
  if (spec->softcap)
    tensors->softcap = batch->softcap;
  if (spec->sinks)
    tensors->sinks = batch_case_pointer(batch, BUFFER_SINKS, on_host);
  if (spec->bias == FI_BIAS_SLOPES)
    tensors->slopes = batch_case_pointer(batch, BUFFER_SLOPES, on_host);
  if (spec->bias < FI_BIAS_DISTANCE)
    return;
  tensors->bias = batch_case_pointer(batch, BUFFER_BIAS, on_host);
  tensors->bias_token_stride = batch->bias_token_stride;
  tensors->bias_head_stride = batch->bias_head_stride;
  tensors->bias_extent = batch->bias_extent;
  tensors->bias_first = batch->bias_first;
}
