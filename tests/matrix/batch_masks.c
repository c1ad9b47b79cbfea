/* Starts and ranges. */
#include "tests/matrix/batch_masks.h"

enum { MOST_RANGES = 4 }; /* of a request */

/* At the first token, somewhere, or where nothing is left. */
static int32_t draw_start(const struct batch_case *batch, struct trial *trial, uint32_t request) {
  const uint32_t kv_len = batch->kv_len[request];
  if (trial_chance(trial, 4))
    return 0;
  return (int32_t)(trial_chance(trial, 8) ? kv_len : trial_between(trial, 0, kv_len));
}

/* Some ranges that rise, which begin and end anywhere, the last of them at times after the end of the KV. */
static int32_t draw_ranges(struct batch_case *batch, struct trial *trial, uint32_t request, int32_t next) {
  const uint32_t count = trial_between(trial, 0, MOST_RANGES);
  const uint32_t room = batch->kv_len[request] / MOST_RANGES + 1;
  uint32_t at = 0;
  for (uint32_t i = 0; i < count; i++) {
    at += trial_between(trial, 0, room / 2);
    batch_case_ints(batch, BUFFER_RANGES)[2 * next] = (int32_t)at;
    at += trial_between(trial, 1, room);
    batch_case_ints(batch, BUFFER_RANGES)[2 * next + 1] = (int32_t)at;
    next++;
  }
  return next;
}

/* Where the rows of each request's bits lie: packed, or of one stride, with gaps. */
static bool place_bits(struct batch_case *batch, struct trial *trial) {
  int64_t *offsets = batch->buffers[BUFFER_MASK_OFFSETS].host;
  int64_t next = 0;
  if (trial_chance(trial, 2))
    batch->mask_stride = (batch->workspace.max_kv_len + 31) / 32 + trial_between(trial, 0, 3);
  for (uint32_t r = 0; r < batch->requests; r++) {
    next += trial_between(trial, 0, 3);
    offsets[r] = next;
    next += batch->q_len[r] * (batch->mask_stride ? batch->mask_stride : (batch->kv_len[r] + 31) / 32);
  }
  return batch_case_buffer(batch, trial, BUFFER_MASK_BITS, (size_t)next, sizeof(uint32_t));
}

/* Words of ones, of zeros, and of any bits: a kind for each stretch of a row. Alone, a request may see nothing. */
static bool fill_bits(struct batch_case *batch, struct trial *trial) {
  const struct mirror *bits = &batch->buffers[BUFFER_MASK_BITS];
  uint32_t *words = bits->host;
  uint32_t left = 0;
  uint32_t kind = 0;
  if (batch->kind == BATCH_ALONE && trial_chance(trial, 2))
    left = UINT32_MAX;
  for (size_t i = 0; i < bits->bytes / sizeof *words; i++) {
    if (left-- == 0) {
      left = trial_between(trial, 0, 4);
      kind = trial_between(trial, 0, 2);
    }
    words[i] = kind == 0 ? 0 : kind == 1 ? UINT32_MAX : (uint32_t)random_next(&trial->random);
  }
  return true;
}

bool batch_masks_create(struct batch_case *batch, struct trial *trial) {
  const size_t requests = batch->requests;
  if (!batch_case_buffer(batch, trial, BUFFER_KV_START, requests, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_RANGES, 2 * MOST_RANGES * requests, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_RANGE_INDPTR, requests + 1, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_MASK_OFFSETS, requests, sizeof(int64_t)))
    return false;
  int32_t *range_indptr = batch_case_ints(batch, BUFFER_RANGE_INDPTR);
  range_indptr[0] = 0;
  for (uint32_t r = 0; r < requests; r++) {
    batch_case_ints(batch, BUFFER_KV_START)[r] = draw_start(batch, trial, r);
    range_indptr[r + 1] = draw_ranges(batch, trial, r, range_indptr[r]);
  }
  return place_bits(batch, trial) && fill_bits(batch, trial);
}

void batch_masks_seen(const struct batch_case *batch, uint32_t request, int64_t *first, int64_t *end) {
  const struct reference reference = batch_case_reference(batch);
  reference_seen_by_some(&reference, request, first, end);
}
