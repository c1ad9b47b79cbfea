/*
 * The tile plan: how a kernel's work is laid out over warps, stages and shared memory. Decided once here from spec and
 * target, printed as constants at the top of the generated source, and stored with the compiled kernel.
 */
#ifndef GENERATOR_TILE_H
#define GENERATOR_TILE_H

#include "flashjit.h"
#include "target.h"

#include <stddef.h>

/*
 * Warps form teams. A team takes its own KV tokens through its own ring of stages; the warps of a team share those
 * tokens and divide the rows. One-warp teams (few rows) need no CTA barrier in the loop; one team of all warps (many
 * rows) reads each token once for the whole tile.
 */
struct tile {
  uint32_t threads;
  uint32_t ctas_per_sm; /* that registers and shared memory are budgeted for */
  uint32_t rows;        /* of the tile, a multiple of 16 */
  uint32_t tokens;      /* query tokens of the tile: rows / group */
  uint32_t row_warps;   /* warps of a team */
  uint32_t row_blocks;  /* 16-row blocks of a warp */
  uint32_t teams;
  uint32_t team_tokens;     /* KV tokens of a team in one step */
  uint32_t stages;          /* steps of KV in the ring */
  uint32_t kv_bytes;        /* of an element in the cache */
  uint32_t kv_pitch;        /* bytes from row to row of a K or V tile in shared memory */
  uint32_t wide_pitch;      /* the same for rows of 16-bit elements: Q, and K after rotation */
  uint32_t query_registers; /* 1: Q fragments stay in registers; 0: they are read from shared memory each step */
  uint32_t loader_shared;   /* 1: a thread's KvLoader is in shared memory, since O fills the registers */
  uint32_t shared_rings;    /* byte offsets in dynamic shared memory */
  uint32_t shared_query;
  uint32_t shared_rotated; /* K tiles after rotation, one a team */
  uint32_t shared_state;   /* row maxima and sums of each team */
  uint32_t shared_items;   /* work items with the rows of their tiles: the current one, and with teams the next */
  uint32_t shared_ready;   /* first of the units that the CTA must merge */
  uint32_t shared_loaders; /* each thread's KvLoader, if loader_shared */
  uint32_t shared_bytes;   /* dynamic shared memory; for the plan op the most that a launch may ask for */
};

/*
 * The tiles of a canonical spec, in the order of preference: choice 0 has as many of the rows that the spec asks for as
 * fit the target, and 1, 2, ... are what to compile when the one before spills. FI_ERROR_UNSUPPORTED when there is no
 * such choice; for choice 0, when the rows of one query token do not fit. A NULL target asks for the roomiest one.
 */
fi_status tile_plan(const fi_spec *spec, const struct target *target, uint32_t choice, struct tile *tile);

/* KV tokens that a CTA takes in one step. */
uint32_t tile_step_tokens(const struct tile *tile);

#endif
