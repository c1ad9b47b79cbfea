/* Windows and chunks, counted. */
#include "tools/common/visible.h"

uint32_t visible_first(const fi_spec *spec, uint32_t place) {
  const uint32_t window = spec->window_left;
  const uint32_t of_window = window > 0 && place >= window ? place - window + 1 : 0;
  const uint32_t of_chunk = spec->chunk > 0 ? place / spec->chunk * spec->chunk : 0;
  return of_window > of_chunk ? of_window : of_chunk;
}

uint32_t visible_end(const fi_spec *spec, uint32_t place, uint32_t kv_len) {
  const uint64_t of_chunk = spec->chunk > 0 ? ((uint64_t)place / spec->chunk + 1) * spec->chunk : kv_len;
  const uint64_t of_window = spec->window_right > 0 ? (uint64_t)place + spec->window_right : kv_len;
  const uint64_t end = spec->mask == FI_MASK_CAUSAL ? (uint64_t)place + 1 : of_chunk < of_window ? of_chunk : of_window;
  return end < kv_len ? (uint32_t)end : kv_len;
}

double visible_pairs(const fi_spec *spec, double listed, uint32_t begin, uint32_t end) {
  double pairs = 0;
  for (uint32_t place = begin; place < end; place++) {
    const double seen = visible_end(spec, place, end) - visible_first(spec, place);
    pairs += listed > 0 && listed < seen ? listed : seen;
  }
  return pairs;
}
