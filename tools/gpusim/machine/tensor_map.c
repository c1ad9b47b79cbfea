/* The rows of boxes. */
#include "machine/tensor_map.h"

#include <string.h>

void sim_box_set(struct sim_box *box, const struct sim_tensor_map *map, const int32_t *at) {
  memset(box, 0, sizeof *box);
  box->map = *map;
  box->rows = 1;
  for (uint32_t d = 0; d < SIM_MAX_RANK; d++) {
    bool used = d < map->rank;
    uint32_t step = used && d ? map->steps[d] : 1;
    box->at[d] = used ? at[d] : 0;
    box->counts[d] = used ? (map->box[d] + step - 1) / step : 1;
    if (d)
      box->rows *= box->counts[d];
  }
  box->row_bytes = box->counts[0] * map->element_bytes;
}

void sim_box_set_linear(struct sim_box *box, uint64_t address, uint32_t bytes) {
  memset(box, 0, sizeof *box);
  box->map.address = address;
  box->map.rank = 1;
  box->map.element_bytes = 1;
  box->map.dims[0] = bytes;
  box->counts[0] = bytes;
  box->row_bytes = bytes;
  box->rows = 1;
}

/* The part of the first dimension that lies in the tensor. */
static void clip_row(const struct sim_box *box, struct sim_box_row *row) {
  int64_t first = box->at[0];
  int64_t end = first + box->counts[0];
  int64_t limit = (int64_t)box->map.dims[0];
  int64_t from = first < 0 ? -first : 0;
  int64_t to = (end < limit ? end : limit) - first;
  row->from = from < box->counts[0] ? (uint32_t)from * box->map.element_bytes : box->row_bytes;
  row->to = to > from ? (uint32_t)to * box->map.element_bytes : row->from;
  row->address += (uint64_t)(first + from) * box->map.element_bytes;
}

struct sim_box_row sim_box_row(const struct sim_box *box, uint32_t index) {
  const struct sim_tensor_map *map = &box->map;
  struct sim_box_row row = {.offset = index * box->row_bytes, .address = map->address};
  bool inside = true;
  for (uint32_t d = 1; d < map->rank; d++) {
    int64_t at = box->at[d] + (int64_t)(index % box->counts[d]) * map->steps[d];
    index /= box->counts[d];
    inside = inside && at >= 0 && (uint64_t)at < map->dims[d];
    row.address += (uint64_t)at * map->strides[d];
  }
  clip_row(box, &row);
  if (!inside)
    row.to = row.from = 0;
  return row;
}
