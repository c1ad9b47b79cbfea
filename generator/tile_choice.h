/* Which tiles a spec has. */
#ifndef GENERATOR_TILE_CHOICE_H
#define GENERATOR_TILE_CHOICE_H

#include "tile.h"

/*
 * The tiles of a canonical spec, in the order of preference: choice 0 has as many of the rows that the spec asks for as
 * fit the target, and 1, 2, ... are what to compile when the one before spills. FI_ERROR_UNSUPPORTED when there is no
 * such choice; for choice 0, when the rows of one query token do not fit. A NULL target asks for the roomiest one.
 */
fi_status tile_plan(const fi_spec *spec, const struct target *target, uint32_t choice, struct tile *tile);

/*
 * The first of them that needs no more dynamic shared memory than a CTA of some device has, which may be less than the
 * target's. FI_ERROR_UNSUPPORTED when there is none.
 */
fi_status tile_first(const fi_spec *spec, const struct target *target, uint32_t shared, uint32_t *choice);

#endif
