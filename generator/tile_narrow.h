/* What tiles that multiply e4m3 by e4m3 have in common: whose they are, and how large their weights are. */
#ifndef GENERATOR_TILE_NARROW_H
#define GENERATOR_TILE_NARROW_H

#include "tile.h"

#include <stdbool.h>

/*
 * Whether Q, K and V are e4m3 and may be multiplied as such. What Q is rotated to need not fit e4m3, and weights of a
 * snippet neither; lists and prefixes are for decode, which waits for memory.
 */
bool tile_narrow_serves(const fi_spec *spec);

/* Tells templates that weights are e4m3, or that they are not. */
void tile_narrow_add(struct tile *tile, bool is_narrow);

#endif
