/* Launches of attention, and its results against the reference. */
#include "tests/matrix/attention_check.h"

#include "tests/dtypes.h"
#include "tests/matrix/compare.h"
#include "tests/measure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_HEAD_DIM = 512 };

/* Multiplications that the reference of one batch may cost; beyond them rows are sampled. */
static const double REFERENCE_BUDGET = 6e6;

struct check {
  struct trial *trial;
  const struct batch_case *batch;
  struct reference reference;
  struct comparison comparison;
  uint32_t sampling; /* one row in so many is compared */
};

/* ------------------------------------------------------------------------------------------------ launch */

/* Poisons the outputs, launches, and brings the outputs back. */
bool attention_launch(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch,
                      const fi_tensors *tensors) {
  struct device *device = &trial->device;
  const struct mirror *o = &batch->buffers[BUFFER_O];
  const struct mirror *lse = &batch->buffers[BUFFER_LSE];
  device_fill(device, o->device, POISON, o->bytes);
  device_fill(device, lse->device, POISON, lse->bytes);
  const fi_status status = fi_run(kernel, tensors, &batch->workspace, NULL);
  if (!trial_ok(trial, "fi_run", status))
    return false;
  device_sync(device, NULL);
  if (!trial_ok(trial, "the attention kernel", FI_OK))
    return false;
  mirror_download(o, device, o->bytes);
  mirror_download(lse, device, lse->bytes);
  return trial_ok(trial, "the downloads", FI_OK);
}

/* ------------------------------------------------------------------------------------------------ compare */

static uint32_t sampling_of(const struct batch_case *batch) {
  double products = 0;
  for (uint32_t r = 0; r < batch->requests; r++)
    products += 2.0 * batch->q_len[r] * batch->kv_heads * batch->spec.group * batch->kv_len[r] * batch->spec.head_dim;
  return 1 + (uint32_t)(products / REFERENCE_BUDGET);
}

/* The first and the last head of the first and the last token always. */
static bool is_sampled(struct check *check, uint32_t request, uint32_t i, uint32_t head) {
  const uint32_t group = check->batch->spec.group;
  const bool is_outer_token = i == 0 || i + 1 == check->batch->q_len[request];
  const bool is_outer_head = head % group == 0 || head % group == group - 1;
  return (is_outer_token && is_outer_head) || trial_chance(check->trial, check->sampling);
}

/* Compares a row, then poisons it: what is left in the end nobody may have written. */
static bool check_row(struct check *check, const struct reference_head *loaded, uint32_t request, uint32_t i,
                      uint32_t head) {
  double o[MOST_HEAD_DIM];
  double lse;
  char name[96];
  const struct batch_case *batch = check->batch;
  const fi_spec *spec = &batch->spec;
  const size_t row_bytes = spec->v_dim * dtype_bytes(spec->o_dtype);
  const uint32_t token = reference_query_begin(&check->reference, request) + i;
  const size_t offset = (size_t)reference_o_offset(&check->reference, token, head);
  char *row = (char *)batch->buffers[BUFFER_O].host + offset * dtype_bytes(spec->o_dtype);
  float *row_lse = (float *)batch->buffers[BUFFER_LSE].host + token * batch->kv_heads * spec->group + head;
  snprintf(name, sizeof name, "request %u (q_len %u, kv_len %u), token %u, head %u", request, batch->q_len[request],
           batch->kv_len[request], i, head);
  if (is_sampled(check, request, i, head)) {
    reference_attend(&check->reference, loaded, request, i, head, o, &lse);
    compare_row(&check->comparison, check->trial, spec, name, o, lse, row, 0, spec->lse ? row_lse : NULL);
  } else {
    compare_finite(check->trial, spec, name, row, 0);
  }
  memset(row, POISON, row_bytes);
  if (spec->lse)
    memset(row_lse, POISON, sizeof *row_lse);
  return !check->trial->why[0];
}

static bool check_head(struct check *check, uint32_t request, uint32_t kv_head) {
  struct reference_head loaded;
  const uint32_t group = check->batch->spec.group;
  bool passed = true;
  if (!reference_head_load(&check->reference, request, kv_head, &loaded))
    return trial_fail(check->trial, "no memory for the reference");
  for (uint32_t i = 0; i < check->batch->q_len[request] && passed; i++) {
    for (uint32_t head = kv_head * group; head < (kv_head + 1) * group && passed; head++)
      passed = check_row(check, &loaded, request, i, head);
  }
  reference_head_free(&loaded);
  return passed;
}

/* Scores grow with the square of what rotation multiplies rows with, and so do their errors. */
static double lse_tolerance_of(const struct batch_case *batch, uint32_t dtype) {
  const double magnitude = fmax(1, (double)batch->rope_magnitude);
  if (batch->lse_tolerance > 0)
    return batch->lse_tolerance;
  return tolerance_of(dtype)->lse * magnitude * magnitude;
}

bool attention_check(struct trial *trial, const struct batch_case *batch) {
  const struct mirror *o = &batch->buffers[BUFFER_O];
  const struct mirror *lse = &batch->buffers[BUFFER_LSE];
  const uint32_t dtype = measure_dtype(&batch->spec, trial->target);
  struct check check = {
      .trial = trial,
      .batch = batch,
      .reference = batch_case_reference(batch),
      .comparison = {.dtype = dtype, .lse_tolerance = lse_tolerance_of(batch, dtype)},
      .sampling = batch->sees_specials ? 1 : sampling_of(batch),
  };
  for (uint32_t request = 0; request < batch->requests; request++) {
    for (uint32_t head = 0; head < batch->kv_heads; head++) {
      if (!check_head(&check, request, head))
        return false;
    }
  }
  return compare_norm(&check.comparison, trial) && compare_poison(trial, "O", o->host, o->bytes) &&
         compare_poison(trial, "LSE", lse->host, lse->bytes);
}
