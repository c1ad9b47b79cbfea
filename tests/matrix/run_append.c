/* An append kernel: each new row within a rounding step, every other byte of the cache as it was. */
#include "tests/matrix/runs.h"

#include "tests/dtypes.h"
#include "tests/matrix/append_again.h"
#include "tests/matrix/batch_case.h"
#include "tests/matrix/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEAD_DIM = 512 };

/* Measures of a batch: append has no tile. */
static const struct tile append_tile = {.tokens = 8, .stages = 2, .teams = 1, .team_tokens = 32};

static bool launch(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch) {
  const fi_tensors tensors = batch_case_tensors(batch, false);
  const bool planned = batch->spec.slots == FI_SLOTS_NONE;
  if (!trial_ok(trial, "fi_run", fi_run(kernel, &tensors, planned ? &batch->workspace : NULL, NULL)))
    return false;
  device_sync(&trial->device, NULL);
  return trial_ok(trial, "the append kernel", FI_OK);
}

static bool plan_and_launch(struct trial *trial, fi_kernel *kernel, struct batch_case *batch) {
  const fi_batch lengths = batch_case_lengths(batch, false);
  const bool planned = batch->spec.slots == FI_SLOTS_NONE;
  batch->workspace.split_tokens = 0;
  if (planned && (!batch_case_reserve(batch, trial, kernel) ||
                  !trial_ok(trial, "fi_plan", fi_plan(kernel, &lengths, &batch->workspace, NULL))))
    return false;
  return launch(trial, kernel, batch);
}

static void restore_row(const struct kv_pool *pool, const unsigned char *before, size_t offset, uint32_t dim) {
  memcpy(pool->host + offset * pool->element, before + offset * pool->element, dim * pool->element);
}

/* The scales of K and V of a token, and those that were there before. */
struct token_scales {
  float *k;
  float *v;
  size_t at_k;
  size_t at_v;
};

static struct token_scales scales_of(const struct batch_case *batch, const struct reference *reference,
                                     uint32_t request, uint32_t token, uint32_t kv_head) {
  return (struct token_scales){
      .k = batch->buffers[BUFFER_K_SCALE].host,
      .v = batch->buffers[BUFFER_V_SCALE].host,
      .at_k = (size_t)reference_k_scale_offset(reference, request, token, kv_head),
      .at_v = (size_t)reference_v_scale_offset(reference, request, token, kv_head),
  };
}

/* Holds new scales against the rows before they are divided, then makes them NaN again as all were. */
static bool check_scales(struct trial *trial, const struct batch_case *batch, const struct reference *reference,
                         const struct stored_row *k, const struct stored_row *v, const char *name, uint32_t request,
                         uint32_t i, uint32_t kv_head) {
  double k_row[MOST_HEAD_DIM];
  double v_row[MOST_HEAD_DIM];
  struct reference whole = *reference;
  const uint32_t token = batch->kv_len[request] - batch->q_len[request] + i;
  const struct token_scales scales = scales_of(batch, reference, request, token, kv_head);
  const double host_k = reference->tensors.k.scale != 0 ? (double)reference->tensors.k.scale : 1;
  const double host_v = reference->tensors.v.scale != 0 ? (double)reference->tensors.v.scale : 1;
  whole.spec.kv_scale = FI_SCALE_NONE;
  whole.tensors.k.scale = 0;
  whole.tensors.v.scale = 0;
  reference_append(&whole, request, i, kv_head, k_row, v_row);
  const bool passed = compare_scale(trial, &batch->spec, k, name, k_row, host_k * (double)scales.k[scales.at_k]) &&
                      compare_scale(trial, &batch->spec, v, name, v_row, host_v * (double)scales.v[scales.at_v]);
  scales.k[scales.at_k] = NAN;
  scales.v[scales.at_v] = NAN;
  return passed;
}

/* Holds a new row against the reference, then puts back what was there before. */
static bool check_row(struct trial *trial, const struct batch_case *batch, const struct reference *reference,
                      const unsigned char *before, uint32_t request, uint32_t i, uint32_t kv_head) {
  double k[MOST_HEAD_DIM];
  double v[MOST_HEAD_DIM];
  char name[96];
  const struct kv_pool *pool = &batch->pool;
  const uint32_t token = batch->kv_len[request] - batch->q_len[request] + i;
  const size_t at_k = (size_t)(pool->k.begin + reference_cache_offset(reference, request, token, kv_head));
  const size_t at_v = (size_t)(pool->v.begin + reference_v_offset(reference, request, token, kv_head));
  snprintf(name, sizeof name, "request %u (q_len %u, kv_len %u), token %u, head %u", request, batch->q_len[request],
           batch->kv_len[request], i, kv_head);
  reference_append(reference, request, i, kv_head, k, v);
  const struct stored_row stored_k = {"K", pool->k.dim, batch->spec.rope != FI_ROPE_NONE, pool->host, at_k};
  const struct stored_row stored_v = {"V", pool->v.dim, false, pool->host, at_v};
  const bool passed = compare_stored(trial, &batch->spec, &stored_k, name, k) &&
                      compare_stored(trial, &batch->spec, &stored_v, name, v) &&
                      (batch->spec.kv_scale != FI_SCALE_TOKEN ||
                       check_scales(trial, batch, reference, &stored_k, &stored_v, name, request, i, kv_head));
  restore_row(pool, before, at_k, pool->k.dim);
  restore_row(pool, before, at_v, pool->v.dim);
  return passed;
}

static bool check_rows(struct trial *trial, const struct batch_case *batch, const unsigned char *before) {
  const struct reference reference = batch_case_reference(batch);
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t i = 0; i < batch->q_len[r]; i++) {
      for (uint32_t head = 0; head < batch->kv_heads && i + batch->kv_len[r] >= batch->q_len[r]; head++) {
        if (!check_row(trial, batch, &reference, before, r, i, head))
          return false;
      }
    }
  }
  return true;
}

/* Of tokens: all others are NaN as they were. */
static bool check_other_scales(struct trial *trial, const struct batch_case *batch) {
  for (enum buffer buffer = BUFFER_K_SCALE; buffer <= BUFFER_V_SCALE; buffer++) {
    const float *scales = batch->buffers[buffer].host;
    for (size_t i = 0; i < batch->buffers[buffer].bytes / sizeof *scales; i++) {
      if (batch->spec.kv_scale == FI_SCALE_TOKEN && !isnan(scales[i]))
        return trial_fail(trial, "scale %zu that no new token has was written", i);
    }
  }
  return true;
}

static void download_scales(struct trial *trial, const struct batch_case *batch) {
  for (enum buffer buffer = BUFFER_K_SCALE; buffer <= BUFFER_V_SCALE; buffer++)
    mirror_download(&batch->buffers[buffer], &trial->device, batch->buffers[buffer].bytes);
}

static bool check_rest(struct trial *trial, const struct kv_pool *pool, const unsigned char *before) {
  for (uint32_t span = 0; span < pool->spans; span++) {
    const size_t begin = span * pool->span_stride;
    if (memcmp(pool->host + begin, before + begin, pool->span_bytes))
      return trial_fail(trial, "a byte of the cache that no new token has was written (unit %u)", span);
  }
  return true;
}

/* The cache before the launch, at the same offsets: far pools are mostly holes, which cost nothing. */
static bool run_batch(struct trial *trial, fi_kernel *kernel, struct batch_case *batch) {
  const struct kv_pool *pool = &batch->pool;
  unsigned char *before = kv_pool_copy(pool);
  if (!before)
    return trial_fail(trial, "no memory for a copy of the cache");
  bool passed = plan_and_launch(trial, kernel, batch);
  kv_pool_download(pool, trial);
  download_scales(trial, batch);
  passed = passed && trial_ok(trial, "the download", FI_OK) && check_rows(trial, batch, before) &&
           check_rest(trial, pool, before) && check_other_scales(trial, batch) &&
           (!append_again_applies(&batch->spec) || append_again(trial, batch, kernel, launch));
  kv_pool_copy_free(pool, before);
  return passed;
}

bool run_append(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  bool passed = trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel));
  for (enum batch_kind kind = BATCH_MIXED; kind <= BATCH_SINGLE && passed; kind++) {
    struct batch_case batch;
    passed = batch_case_create(&batch, trial, canonical, &append_tile, kind) && run_batch(trial, kernel, &batch);
    batch_case_free(&batch, trial);
  }
  return passed;
}
