/* Windows and chunks, counted. */
#include "tools/common/visible.h"

uint32_t visible_first(const fi_spec *spec, uint32_t place) {
  const uint32_t window = spec->window_left;
  const uint32_t of_window = window > 0 && place >= window ? place - window + 1 : 0;
  const uint32_t of_chunk = spec->chunk > 0 ? place / spec->chunk * spec->chunk : 0;
  return of_window > of_chunk ? of_window : of_chunk;
}

double visible_pairs(const fi_spec *spec, double listed, uint32_t begin, uint32_t end) {
  double pairs = 0;
  for (uint32_t place = begin; place < end; place++) {
    const double seen = place + 1 - visible_first(spec, place);
    pairs += listed > 0 && listed < seen ? listed : seen;
  }
  return pairs;
}
