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
