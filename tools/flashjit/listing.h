/* The lists of a layer, and random ones as an indexer would make them. */
#ifndef TOOLS_FLASHJIT_LISTING_H
#define TOOLS_FLASHJIT_LISTING_H

#include "tools/common/random.h"

#include <stdbool.h>

struct listing {
  uint32_t block;      /* tokens of a block: spec.select */
  uint32_t entries;    /* of the longest list */
  uint32_t heads;      /* that have lists of their own; 1: all have one */
  uint32_t first_head; /* in the layer: of a share of its heads */
  uint64_t seed;
  uint32_t ratio;       /* tokens to an entry of a second KV, which lists are of; 0: they are of tokens */
  uint32_t index_heads; /* of an indexer on the device that makes the lists; 0: they are drawn */
  uint32_t index_dim;
  bool by_head;          /* each of these has a list */
  uint32_t first_blocks; /* that each of its lists has: the first ones, .. */
  uint32_t last_blocks;  /* .. and the last ones that a query token sees */
};

/* Blocks that a query token at a place of its request sees; and entries of its list, holes left out. */
uint32_t listing_blocks(const struct listing *listing, uint32_t place);
uint32_t listing_length(const struct listing *listing, uint32_t place);

/*
 * The list of a query token at a place of a request, and of a head: blocks up to its own, which is among them, once
 * each and in random order, then holes. The same for the same arguments, whatever the share.
 */
void listing_draw(const struct listing *listing, uint32_t request, uint32_t place, uint32_t head, int32_t *list);

/* The weights of an indexer's heads, some of them below 0. */
void listing_weights(random_state *random, float *weights, size_t count);

#endif
