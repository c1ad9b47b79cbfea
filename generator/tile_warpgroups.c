/* The numbers that all tiles of attention by wgmma have. */
#include "tile_warpgroups.h"

/* At a box of a page, and at a word of a packed mask. */
static uint32_t start_tokens(const fi_spec *spec, uint32_t box_tokens, bool gathers) {
  const uint32_t tokens = spec->page_size > 0 && !gathers ? box_tokens : 1;
  return spec->mask_bits && tokens < MASK_TOKENS ? MASK_TOKENS : tokens;
}

void tile_warpgroups_add(struct tile *tile, const fi_spec *spec, const struct division *division, uint32_t box_tokens,
                         bool gathers) {
  tile->threads = WARPGROUP * (division->consumers + division->producers);
  tile->ctas_per_sm = 1;
  tile->start_tokens = start_tokens(spec, box_tokens, gathers);
  tile->box_tokens = gathers ? 0 : box_tokens;
  tile_add(tile, "workers", WARPGROUP * division->consumers, "threads that compute: the consumers");
  tile_add(tile, "row_blocks", 1, "16-row blocks of a warp");
  tile_add(tile, "box_tokens", box_tokens, "KV tokens of a box, which lie in one page");
  tile_add(tile, "part_tokens", PART_TOKENS, "KV tokens of a part of a box");
  tile_add(tile, "gathers", gathers, "1: rows of K and V are copied one by one");
  tile_add(tile, "producer_registers", division->producer_registers, "of a thread of the producer warpgroup");
  tile_add(tile, "consumer_registers", division->consumer_registers, "of a thread of the consumers");
}
