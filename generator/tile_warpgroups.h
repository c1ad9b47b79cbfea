/* What tiles of attention by wgmma have in common: consumer warpgroups, and producers that bring KV for them. */
#ifndef GENERATOR_TILE_WARPGROUPS_H
#define GENERATOR_TILE_WARPGROUPS_H

#include "tile.h"

#include <stdbool.h>

enum {
  WARPGROUP = 128,
  WARPGROUP_ROWS = 64, /* of a product */
  PANEL_ROW = 128,     /* bytes of a row of a panel, which one swizzle pattern covers */
  PANEL_ALIGNMENT = 1024,
  PART_TOKENS = 8,  /* KV tokens of a part of a box: pages whose boxes have fewer are gathered */
  MASK_TOKENS = 32, /* of a word of a packed mask */
  ITEMS_AHEAD = 2,  /* items whose rows are in shared memory: one in use, and the next */
  BARRIER = 8,      /* bytes */
};

/* How the registers of a CTA are divided: a multiple of 8 for each thread. */
struct division {
  uint32_t consumers;
  uint32_t producers;
  uint32_t producer_registers;
  uint32_t consumer_registers;
};

/* Tells of threads, of the boxes of tensor maps or that rows are gathered, and where steps begin for that. */
void tile_warpgroups_add(struct tile *tile, const fi_spec *spec, const struct division *division, uint32_t box_tokens,
                         bool gathers);

#endif
