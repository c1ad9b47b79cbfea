/* Rows are taken from the cache, appended to where they were, and compared. */
#include "tests/matrix/append_again.h"

#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* K or V of the new tokens. */
struct side {
  const char *name;
  uint32_t dim;
  enum buffer rows;   /* new ones */
  enum buffer scales; /* of tokens */
  size_t begin;       /* in the pool */
  double host_scale;
  int64_t (*row)(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);
  int64_t (*scale)(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);
  int64_t (*new_row)(const struct reference *reference, uint32_t token, uint32_t kv_head);
};

/* A token of the batch whose rows are in the cache. */
struct place {
  uint32_t request;
  uint32_t token;  /* of its KV */
  uint32_t number; /* of the batch */
  uint32_t head;
};

/* What the cache was after the first launch. */
struct kept {
  unsigned char *rows;
  float *scales[2];
};

struct again {
  struct trial *trial;
  struct batch_case *batch;
  struct reference reference;
  struct side sides[2];
  struct kept kept;
};

bool append_again_applies(const fi_spec *spec) {
  return spec->kv_scale == FI_SCALE_TOKEN && spec->rope == FI_ROPE_NONE;
}

static double or_one(float scale) {
  return scale != 0 ? (double)scale : 1;
}

static float *scales_of(const struct again *again, const struct side *side) {
  return again->batch->buffers[side->scales].host;
}

static size_t scale_index(const struct again *again, const struct side *side, const struct place *place) {
  return (size_t)side->scale(&again->reference, place->request, place->token, place->head);
}

static size_t row_index(const struct again *again, const struct side *side, const struct place *place) {
  return side->begin + (size_t)side->row(&again->reference, place->request, place->token, place->head);
}

/* Elements of q_dtype that are subnormal are too coarse for what a row is worth. */
static bool can_be_taken(const struct again *again, double scale) {
  return scale == 0 || scale > 4 * dtype_spacing(again->batch->spec.q_dtype, 0);
}

static double worth_of(const struct again *again, const struct side *side, const struct place *place) {
  return side->host_scale * (double)scales_of(again, side)[scale_index(again, side, place)];
}

/* ------------------------------------------------------------------------------------------------ each row */

static bool take_row(struct again *again, const struct side *side, const struct place *place) {
  const fi_spec *spec = &again->batch->spec;
  const double scale = worth_of(again, side, place);
  const size_t from = row_index(again, side, place);
  const size_t to = (size_t)side->new_row(&again->reference, place->number, place->head);
  for (uint32_t d = 0; d < side->dim && can_be_taken(again, scale); d++) {
    const double value = scale * dtype_decode(spec->kv_dtype, again->batch->pool.host, from + d);
    dtype_encode(spec->q_dtype, value, again->batch->buffers[side->rows].host, to + d);
  }
  return true;
}

static bool compare_again(struct again *again, const struct side *side, const struct place *place) {
  const size_t element = again->batch->pool.element;
  const size_t at = row_index(again, side, place) * element;
  const size_t scale = scale_index(again, side, place);
  const float before = again->kept.scales[side - again->sides][scale];
  const float after = scales_of(again, side)[scale];
  if (!can_be_taken(again, side->host_scale * (double)before))
    return true;
  if (before == after && memcmp(again->kept.rows + at, again->batch->pool.host + at, side->dim * element) == 0)
    return true;
  return trial_fail(again->trial, "%s of request %u, token %u, head %u, is other bits when appended again", side->name,
                    place->request, place->token, place->head);
}

static bool for_each_row(struct again *again,
                         bool (*act)(struct again *again, const struct side *side, const struct place *place)) {
  const struct batch_case *batch = again->batch;
  bool good = true;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t i = 0; i < batch->q_len[r]; i++) {
      const uint32_t number = reference_query_begin(&again->reference, r) + i;
      for (uint32_t head = 0; head < batch->kv_heads && i + batch->kv_len[r] >= batch->q_len[r] && good; head++) {
        const struct place place = {r, batch->kv_len[r] - batch->q_len[r] + i, number, head};
        good = act(again, &again->sides[0], &place) && act(again, &again->sides[1], &place);
      }
    }
  }
  return good;
}

/* ------------------------------------------------------------------------------------------------ the cache */

static void download(struct again *again) {
  kv_pool_download(&again->batch->pool, again->trial);
  for (size_t i = 0; i < 2; i++) {
    const struct mirror *scales = &again->batch->buffers[again->sides[i].scales];
    mirror_download(scales, &again->trial->device, scales->bytes);
  }
}

static bool keep(struct again *again) {
  again->kept.rows = kv_pool_copy(&again->batch->pool);
  for (size_t i = 0; i < 2; i++) {
    const struct mirror *scales = &again->batch->buffers[again->sides[i].scales];
    again->kept.scales[i] = malloc(scales->bytes + 1);
    if (again->kept.scales[i])
      memcpy(again->kept.scales[i], scales->host, scales->bytes);
  }
  return (again->kept.rows && again->kept.scales[0] && again->kept.scales[1]) ||
         trial_fail(again->trial, "no memory for a copy of the cache");
}

static void forget(struct again *again) {
  if (again->kept.rows)
    kv_pool_copy_free(&again->batch->pool, again->kept.rows);
  free(again->kept.scales[0]);
  free(again->kept.scales[1]);
}

static void upload_rows(struct again *again) {
  for (size_t i = 0; i < 2; i++) {
    const struct mirror *rows = &again->batch->buffers[again->sides[i].rows];
    mirror_upload(rows, &again->trial->device, rows->bytes);
  }
}

bool append_again(struct trial *trial, struct batch_case *batch, fi_kernel *kernel,
                  bool (*launch)(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch)) {
  struct again again = {
      .trial = trial,
      .batch = batch,
      .reference = batch_case_reference(batch),
      .sides = {{"K", batch->spec.head_dim, BUFFER_K_NEW, BUFFER_K_SCALE, (size_t)batch->pool.k.begin,
                 or_one(batch->k_scale), reference_cache_offset, reference_k_scale_offset, reference_new_offset},
                {"V", batch->spec.v_dim, BUFFER_V_NEW, BUFFER_V_SCALE, (size_t)batch->pool.v.begin,
                 or_one(batch->v_scale), reference_v_offset, reference_v_scale_offset, reference_v_new_offset}},
  };
  download(&again);
  bool passed = keep(&again) && for_each_row(&again, take_row);
  upload_rows(&again);
  passed = passed && launch(trial, kernel, batch);
  download(&again);
  passed = passed && trial_ok(trial, "the download", FI_OK) && for_each_row(&again, compare_again);
  forget(&again);
  return passed;
}
