/* Regions in shared memory. */
#include "shared_layout.h"

static uint32_t align_up(uint32_t value, uint32_t to) {
  return (value + to - 1) / to * to;
}

uint32_t shared_layout_bytes(const struct region *regions, size_t count) {
  uint32_t end = 0;
  for (size_t i = 0; i < count; i++)
    end = align_up(end, regions[i].align) + regions[i].bytes;
  return align_up(end, 16);
}

void shared_layout_add(const struct region *regions, size_t count, struct tile *tile) {
  uint32_t end = 0;
  for (size_t i = 0; i < count; i++) {
    const uint32_t begin = align_up(end, regions[i].align);
    tile_add(tile, regions[i].name, begin, regions[i].meaning);
    end = begin + regions[i].bytes;
  }
  tile->shared_bytes = align_up(end, 16);
}
