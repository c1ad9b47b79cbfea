/* Random lists of blocks that query tokens see, as an indexer would make them. */
#ifndef TOOLS_FLASHJIT_LISTING_H
#define TOOLS_FLASHJIT_LISTING_H

#include <stdint.h>

struct listing {
  uint32_t block;      /* tokens of a block: spec.select */
  uint32_t entries;    /* of the longest list */
  uint32_t heads;      /* that have lists of their own; 1: all have one */
  uint32_t first_head; /* in the layer: of a share of its heads */
  uint64_t seed;
};

/*
 * The list of a query token at a place of a request, and of a head: blocks up to its own, which is among them, once
 * each and in random order, then holes. The same for the same arguments, whatever the share. Returns the blocks.
 */
uint32_t listing_draw(const struct listing *listing, uint32_t request, uint32_t place, uint32_t head, int32_t *list);

#endif
