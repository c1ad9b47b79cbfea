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

enum { MOST_HEAD_DIM = 576 };

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

/* A token of the batch and a head, and what they are called. */
struct place {
  uint32_t request;
  uint32_t token; /* of its KV */
  uint32_t kv_head;
  char name[96];
};

/* Puts back the bytes of a row. */
static void restore_row(const struct kv_pool *pool, const unsigned char *before, const struct kv_rows *rows,
                        const void *data, size_t offset) {
  const size_t at = (size_t)((const unsigned char *)data - pool->host) + offset * dtype_bits(rows->dtype) / 8;
  memcpy(pool->host + at, before + at, (size_t)rows->row_bytes);
}

/* The scales of a row, and which of them lie as rows do. */
struct row_scales {
  struct reference_scales at;
  struct reference_scale_rows rows;
};

/* Holds the new scales of a row against what it was, then makes them NaN again, as all were. */
static bool check_scales(struct trial *trial, const struct batch_case *batch, const struct row_scales *scales,
                         const struct stored_row *stored, const char *name, const double *row) {
  const size_t element = dtype_bytes(scales->rows.dtype);
  struct stored_row part = *stored;
  if (scales->rows.count == 0)
    return true;
  part.dim = stored->dim / scales->rows.count;
  for (uint32_t d = 0; d < stored->dim; d += part.dim) {
    if (!compare_scale(trial, &batch->spec, &part, name, row + d, reference_scale(&scales->at, d), scales->at.host))
      return false;
  }
  memset((char *)(uintptr_t)scales->at.data + (size_t)scales->at.first * element, POISON, scales->rows.count * element);
  return true;
}

/* Holds new K or V against what is to be stored, and its scales, then puts back what was there before. */
static bool check_stored(struct trial *trial, const struct batch_case *batch, const unsigned char *before,
                         const struct kv_rows *rows, const struct stored_row *stored, const struct row_scales *scales,
                         const char *name, const double *expected) {
  double row[MOST_HEAD_DIM];
  for (uint32_t d = 0; d < stored->dim; d++) {
    const double scale = reference_scale(&scales->at, d);
    row[d] = scale == 0 ? 0 : expected[d] * scale; /* only a row of zeros has that */
  }
  const bool passed =
      compare_stored(trial, stored, name, expected) && check_scales(trial, batch, scales, stored, name, row);
  restore_row(&batch->pool, before, rows, stored->data, stored->offset);
  return passed;
}

/* The row at tensors.v: V, or the wide dims of K, which have no scales. */
static bool check_v_row(struct trial *trial, const struct batch_case *batch, const struct reference *reference,
                        const unsigned char *before, const struct place *place, const double *k, const double *v) {
  const fi_spec *spec = &batch->spec;
  const struct reference_rows rows = reference_v_rows(spec);
  const bool is_wide = spec->wide_dims > 0;
  const size_t at = (size_t)reference_v_row_offset(reference, place->request, place->token, place->kv_head);
  const struct row_scales none = {{.group = UINT32_MAX, .host = 1}, {0}};
  const struct row_scales own = {reference_v_scales(reference, place->request, place->token, place->kv_head),
                                 reference_v_scale_rows(spec)};
  const struct stored_row stored = {.tensor = is_wide ? "the wide dims of K" : "V",
                                    .dtype = rows.dtype,
                                    .dim = rows.dim,
                                    .is_rotated = is_wide && spec->rope != FI_ROPE_NONE,
                                    .data = reference->tensors.v.data,
                                    .offset = at};
  return rows.dim == 0 || check_stored(trial, batch, before, &batch->pool.v, &stored, is_wide ? &none : &own,
                                       place->name, is_wide ? k + reference_k_rows(spec).dim : v);
}

static bool check_row(struct trial *trial, const struct batch_case *batch, const struct reference *reference,
                      const unsigned char *before, uint32_t request, uint32_t i, uint32_t kv_head) {
  double k[MOST_HEAD_DIM];
  double v[MOST_HEAD_DIM];
  const fi_spec *spec = &batch->spec;
  const uint32_t token = batch->kv_len[request] - batch->q_len[request] + i;
  const struct row_scales scales = {reference_k_scales(reference, request, token, kv_head),
                                    reference_k_scale_rows(spec)};
  struct place place = {request, token, kv_head, ""};
  snprintf(place.name, sizeof place.name, "request %u (q_len %u, kv_len %u), token %u, head %u", request,
           batch->q_len[request], batch->kv_len[request], i, kv_head);
  reference_append(reference, request, i, kv_head, k, v);
  const struct stored_row stored = {.tensor = "K",
                                    .dtype = spec->kv_dtype,
                                    .dim = reference_k_rows(spec).dim,
                                    .is_rotated = spec->rope != FI_ROPE_NONE,
                                    .data = reference->tensors.k.data,
                                    .offset = (size_t)reference_cache_offset(reference, request, token, kv_head)};
  return check_stored(trial, batch, before, &batch->pool.k, &stored, &scales, place.name, k) &&
         check_v_row(trial, batch, reference, before, &place, k, v);
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

/* Of tokens or groups: all others are NaN as they were. */
static bool check_other_scales(struct trial *trial, const struct batch_case *batch) {
  const struct {
    enum buffer buffer;
    uint32_t count;
  } sides[] = {{BUFFER_K_SCALE, reference_k_scale_rows(&batch->spec).count},
               {BUFFER_V_SCALE, reference_v_scale_rows(&batch->spec).count}};
  for (size_t side = 0; side < 2; side++) {
    const struct mirror *scales = &batch->buffers[sides[side].buffer];
    if (sides[side].count > 0 && !compare_poison(trial, "the scales", scales->host, scales->bytes))
      return false;
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
