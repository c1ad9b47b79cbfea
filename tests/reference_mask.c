/* Which KV tokens a query token sees: every line of flashjit.h as it stands there, asked of every token. */
#include "tests/reference.h"

void reference_seen(const fi_spec *spec, const fi_batch *batch, uint32_t request, int64_t kv_len, int64_t place,
                    int64_t *first, int64_t *end) {
  int64_t start = spec->kv_start ? batch->kv_start[request] : 0;
  int64_t range = spec->ranges ? batch->range_indptr[request] : 0;
  int64_t range_end = spec->ranges ? batch->range_indptr[request + 1] : 0;
  *first = *end = 0;
  for (int64_t t = kv_len - 1; t >= start; t--) {
    bool seen = spec->mask == FI_MASK_NONE || t <= place;
    seen = seen && (spec->window_left == 0 || t > place - spec->window_left);
    seen = seen && (spec->window_right == 0 || t < place + spec->window_right);
    seen = seen && (spec->chunk == 0 || place >= start);
    seen = seen && (spec->chunk == 0 || (t - start) / spec->chunk == (place - start) / spec->chunk);
    for (int64_t r = range; r < range_end; r++) {
      const int32_t *tokens = batch->ranges + 2 * r;
      seen = seen || (tokens[0] <= t && t < tokens[1] && tokens[0] <= place && place < tokens[1]);
    }
    *end = seen && *end == 0 ? t + 1 : *end;
    *first = seen ? t : *first;
  }
}

void reference_seen_by_some(const struct reference *reference, uint32_t request, int64_t *first, int64_t *end) {
  int64_t kv_len = reference_kv_len(reference, request);
  uint32_t q_len = reference_query_len(reference, request);
  *first = *end = 0;
  for (uint32_t i = 0; i < q_len && *first == *end; i++) /* both ends rise from token to token: the first that sees */
    reference_seen(&reference->spec, &reference->batch, request, kv_len, kv_len - q_len + i, first, end);
  int64_t last_first = 0;
  if (*first < *end) /* any, and the last token */
    reference_seen(&reference->spec, &reference->batch, request, kv_len, kv_len - 1, &last_first, end);
}

bool reference_has_bit(const struct reference *reference, uint32_t request, uint32_t i, int64_t t) {
  const fi_batch *batch = &reference->batch;
  if (!reference->spec.mask_bits)
    return true;
  int64_t stride = batch->mask_stride ? batch->mask_stride : (reference_kv_len(reference, request) + 31) / 32;
  const uint32_t *row = batch->mask_bits + batch->mask_offsets[request] + i * stride;
  return row[t / 32] >> t % 32 & 1;
}

int64_t reference_list_offset(const struct reference *reference, uint32_t token, uint32_t kv_head) {
  const fi_tensors *tensors = &reference->tensors;
  int64_t packed = reference->max_selected;
  if (tensors->selected_head_stride != 0)
    packed = reference->kv_heads * tensors->selected_head_stride;
  int64_t stride = tensors->selected_token_stride != 0 ? tensors->selected_token_stride : packed;
  return token * stride + kv_head * tensors->selected_head_stride;
}

uint32_t reference_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t t) {
  uint32_t select = reference->spec.select;
  if (select == 0)
    return 1;
  const int32_t *lengths = reference->batch.selected_len;
  const int32_t *list = reference->tensors.selected + reference_list_offset(reference, token, kv_head);
  int64_t length = lengths ? lengths[token] : (int64_t)reference->max_selected;
  uint32_t times = 0;
  for (int64_t i = 0; i < length; i++)
    times += list[i] == t / select;
  return times;
}

void reference_add_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t kv_len,
                          uint32_t *times) {
  int64_t select = reference->spec.select;
  const int32_t *lengths = reference->batch.selected_len;
  const int32_t *list = reference->tensors.selected + reference_list_offset(reference, token, kv_head);
  int64_t length = lengths ? lengths[token] : (int64_t)reference->max_selected;
  for (int64_t i = 0; i < length; i++)
    for (int64_t t = list[i] * select; list[i] >= 0 && t < (list[i] + 1) * select && t < kv_len; t++)
      times[t]++;
}

void reference_count_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t kv_len,
                            uint32_t *times) {
  bool has_lists = reference->spec.select > 0;
  for (int64_t t = 0; t < kv_len; t++)
    times[t] = !has_lists;
  if (has_lists)
    reference_add_listed(reference, token, kv_head, kv_len, times);
}
