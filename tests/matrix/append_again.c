/* Rows are taken from the cache, appended to where they were, and compared. */
#include "tests/matrix/append_again.h"

#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* K or V of the new tokens. */
struct side {
  const char *name;
  uint32_t dtype;
  uint32_t dim;
  enum buffer rows;   /* new ones */
  enum buffer scales; /* of tokens or groups */
  const void *data;   /* of the cache, on the host */
  int64_t (*row)(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);
  struct reference_scales (*scale)(const struct reference *reference, uint32_t request, uint32_t token,
                                   uint32_t kv_head);
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
  void *scales[2];
};

struct again {
  struct trial *trial;
  struct batch_case *batch;
  struct reference reference;
  struct side sides[2];
  struct kept kept;
};

bool append_again_applies(const fi_spec *spec) {
  const bool finds_k = reference_scale_dtype(spec->kv_dtype) != FI_F32 || spec->kv_scale == FI_SCALE_TOKEN;
  return finds_k && spec->rope == FI_ROPE_NONE;
}

static struct reference_scales scales_at(const struct again *again, const struct side *side,
                                         const struct place *place) {
  return side->scale(&again->reference, place->request, place->token, place->head);
}

static size_t row_at(const struct again *again, const struct side *side, const struct place *place) {
  return (size_t)side->row(&again->reference, place->request, place->token, place->head);
}

/* Elements of q_dtype that are subnormal, or infinite, do not say what a row is worth. */
static bool can_be_taken(const struct again *again, const struct side *side, const struct reference_scales *scales) {
  const uint32_t dtype = again->batch->spec.q_dtype;
  for (uint32_t d = 0; d < side->dim; d++) {
    const double scale = fabs(reference_scale(scales, d));
    if (scale != 0 && (scale < 4 * dtype_spacing(dtype, 0) || scale * 128 > dtype_largest(dtype)))
      return false;
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ each row */

static bool take_row(struct again *again, const struct side *side, const struct place *place) {
  const fi_spec *spec = &again->batch->spec;
  const struct reference_scales scales = scales_at(again, side, place);
  const size_t from = row_at(again, side, place);
  const size_t to = (size_t)side->new_row(&again->reference, place->number, place->head);
  const bool is_taken = can_be_taken(again, side, &scales);
  for (uint32_t d = 0; d < side->dim && is_taken; d++) {
    const double value = reference_scale(&scales, d) * dtype_decode(side->dtype, side->data, from + d);
    dtype_encode(spec->q_dtype, value, again->batch->buffers[side->rows].host, to + d);
  }
  return true;
}

static bool compare_again(struct again *again, const struct side *side, const struct place *place) {
  struct reference_scales after = scales_at(again, side, place);
  struct reference_scales before = after;
  const size_t pool_at = (size_t)((const unsigned char *)side->data - again->batch->pool.host);
  const size_t at = row_at(again, side, place);
  before.data = again->kept.scales[side - again->sides];
  if (!can_be_taken(again, side, &before))
    return true;
  for (uint32_t d = 0; d < side->dim; d++) {
    if (reference_scale(&before, d) != reference_scale(&after, d) ||
        dtype_decode(side->dtype, again->kept.rows + pool_at, at + d) != dtype_decode(side->dtype, side->data, at + d))
      return trial_fail(again->trial, "%s of request %u, token %u, head %u, dim %u, is another when appended again",
                        side->name, place->request, place->token, place->head, d);
  }
  return true;
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
        good = act(again, &again->sides[0], &place) &&
               (batch->spec.v_source == FI_V_KEYS || act(again, &again->sides[1], &place));
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
  const fi_tensors tensors = batch_case_tensors(batch, true);
  struct again again = {
      .trial = trial,
      .batch = batch,
      .reference = batch_case_reference(batch),
      .sides = {{"K", batch->spec.kv_dtype, batch->spec.head_dim, BUFFER_K_NEW, BUFFER_K_SCALE, tensors.k.data,
                 reference_cache_offset, reference_k_scales, reference_new_offset},
                {"V", batch->spec.v_dtype, batch->spec.v_dim, BUFFER_V_NEW, BUFFER_V_SCALE, tensors.v.data,
                 reference_v_offset, reference_v_scales, reference_v_new_offset}},
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
