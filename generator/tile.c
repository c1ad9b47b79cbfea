/* The tile plan of the mma family, and of the helper kernels around it. */
#include "tile.h"

#include "error.h"

#include <stdbool.h>
#include <string.h>

enum {
  WARP = 32,
  MMA_ROWS = 16,
  ITEM_BYTES = 40,   /* of struct ItemTile in templates/query/query.cuh, without its rows */
  ROW_BYTES = 16,    /* of struct TileRow in templates/query/query.cuh */
  LOADER_BYTES = 40, /* of struct KvLoader in templates/ring/kv_loader.cuh */
  RING_BYTES = 4096, /* of K that a one-warp team takes in a step: enough bytes in flight, small enough to balance */
  MAX_TEAM_TOKENS = 64,
  THREAD_REGISTERS = 255, /* that the compiler can give a thread */
  PLAN_STATIC = 1024,     /* shared memory for the plan kernel's static arrays */
  CTA_RESERVE = 1024,     /* shared memory that the hardware takes from each CTA */
};

static uint32_t align_up(uint32_t value, uint32_t to) {
  return (value + to - 1) / to * to;
}

/*
 * Bytes from row to row in shared memory, such that the same 16-byte chunk of eight consecutive rows falls in
 * eight different bank groups: an odd number of chunks, which makes all of a row's chunks constant offsets
 * from its first.
 */
static uint32_t padded_pitch(uint32_t bytes) {
  return (bytes / 16 | 1) * 16;
}

/*
 * KV rows of a multiple of 128 bytes keep their size where the copies are what a kernel waits for, and their
 * chunks change places by row instead: on an H200, copies into rows that straddle 128-byte lines made decode
 * 3 % slower.
 */
static uint32_t kv_pitch(uint32_t bytes, bool waits_for_copies) {
  return waits_for_copies && bytes % 128 == 0 ? bytes : padded_pitch(bytes);
}

/* Whether K is rotated inside attention. */
static bool rotates_keys(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE && spec->rope_keys == FI_KEYS_UNROTATED;
}

/* The most teams of a tile: up to 32 rows, teams of few warps split the KV; above, one team of all warps
 * splits the rows. */
static uint32_t most_teams(const fi_spec *spec, uint32_t rows) {
  if (rows <= MMA_ROWS)
    return 4;
  return rows <= 2 * MMA_ROWS && spec->head_dim <= 128 ? 2 : 1;
}

/*
 * About how many registers a thread needs in a step of `tokens` KV tokens: what is live at once is exact, the
 * operands and the rest are such that ptxas 13.0 spills nothing, which would fail the build.
 */
static uint32_t thread_registers(const fi_spec *spec, const struct target *target, const struct tile *tile,
                                 uint32_t tokens) {
  const uint32_t output = tile->row_blocks * spec->head_dim / 2;
  const uint32_t scores = tile->row_blocks * tokens / 2;
  const uint32_t query = tile->row_blocks * (tile->query_registers ? spec->head_dim / 4 : 4);
  const uint32_t row_state = tile->row_blocks * 4;
  const uint32_t operands = 8 + (tile->kv_bytes == 1 ? target->convert_registers : 0); /* K or V */
  return output + scores + query + row_state + operands + target->rest_registers;
}

static void divide_rows(const fi_spec *spec, uint32_t rows, uint32_t teams, struct tile *tile) {
  const uint32_t row_blocks = rows / MMA_ROWS;
  tile->rows = rows;
  tile->tokens = rows / spec->group;
  tile->row_blocks = row_blocks == 8 && spec->head_dim <= 128 ? 2 : 1;
  tile->row_warps = row_blocks / tile->row_blocks;
  tile->teams = teams;
  tile->threads = WARP * tile->row_warps * teams;
  /* Q stays in registers where its fragments fit beside O, the scores and what converts K and V. */
  const uint32_t query_dims = teams > 1 && tile->kv_bytes == 2 ? 192 : 128;
  tile->query_registers = tile->row_blocks * spec->head_dim <= query_dims;
  tile->loader_shared = tile->row_blocks * spec->head_dim >= 192;
  tile->kv_pitch = kv_pitch(spec->head_dim * tile->kv_bytes, teams > 1);
  tile->wide_pitch = padded_pitch(spec->head_dim * 2);
}

/* Fewest KV tokens of a team in a step: what one matrix load spans, and room to exchange a team's O in one
 * stage. */
static uint32_t least_team_tokens(const struct tile *tile) {
  const uint32_t fragment = tile->kv_bytes == 1 ? 32 : 16;
  const uint32_t exchange = tile->teams > 1 ? 2 * tile->rows / tile->kv_bytes : 0;
  return exchange > fragment ? exchange : fragment;
}

/* What a team takes in a step if it fits in shared memory: what its ring should hold when teams split the KV,
 * else all that leaves registers for O. */
static uint32_t preferred_team_tokens(const fi_spec *spec, const struct target *target, const struct tile *tile) {
  const uint32_t least = least_team_tokens(tile);
  uint32_t tokens = MAX_TEAM_TOKENS;
  if (tile->teams > 1) {
    const uint32_t ring = RING_BYTES * tile->row_warps / (spec->head_dim * tile->kv_bytes);
    const uint32_t most = WARP * tile->row_warps;
    tokens = ring < most ? ring : most;
  }
  tokens = tokens / least * least;
  while (tokens > least && thread_registers(spec, target, tile, tokens) > THREAD_REGISTERS)
    tokens /= 2;
  return tokens > least ? tokens : least;
}

/* Lays out the dynamic shared memory for the tile's tokens and stages. */
static void lay_out_shared(const fi_spec *spec, struct tile *tile) {
  const uint32_t stage = 2 * tile->team_tokens * tile->kv_pitch;
  uint32_t offset = 0;
  tile->shared_rings = offset;
  offset += tile->teams * tile->stages * stage;
  offset = align_up(offset, 128);
  tile->shared_query = offset;
  offset += tile->rows * tile->wide_pitch;
  offset = align_up(offset, 128);
  tile->shared_rotated = offset;
  offset += rotates_keys(spec) ? tile->teams * tile->team_tokens * tile->wide_pitch : 0;
  tile->shared_state = offset;
  offset += tile->teams > 1 ? tile->teams * tile->rows * 8 : 0;
  tile->shared_items = offset;
  offset += (tile->teams > 1 ? 2 : 1) * (ITEM_BYTES + tile->rows * ROW_BYTES);
  tile->shared_ready = offset;
  offset = align_up(offset + 4, 16);
  tile->shared_loaders = offset;
  offset += tile->loader_shared ? tile->threads * LOADER_BYTES : 0;
  tile->shared_bytes = align_up(offset, 16);
}

/* The most tokens and stages that let `ctas` CTAs of this tile live on one SM; false when none does. */
static bool fit(const fi_spec *spec, const struct target *target, uint32_t ctas, struct tile *tile) {
  const uint32_t share = target->shared_per_sm / ctas - CTA_RESERVE;
  const uint32_t room = share < target->shared_per_block ? share : target->shared_per_block;
  const uint32_t least = least_team_tokens(tile);
  const uint32_t most_stages = tile->teams > 1 ? 3 : 2;
  tile->ctas_per_sm = ctas;
  for (uint32_t tokens = preferred_team_tokens(spec, target, tile); tokens >= least; tokens /= 2) {
    for (tile->stages = most_stages; tile->stages >= 2; tile->stages--) {
      tile->team_tokens = tokens;
      lay_out_shared(spec, tile);
      if (tile->shared_bytes <= room)
        return true;
    }
  }
  return false;
}

/*
 * The first tile that fits: as many rows as the spec asks for, then fewer, but never less than a token's; as
 * many teams as possible, then fewer; two CTAs on an SM, then one.
 */
static fi_status attention_tile(const fi_spec *spec, const struct target *target, struct tile *tile) {
  tile->kv_bytes = spec->kv_dtype == FI_E4M3 || spec->kv_dtype == FI_E5M2 ? 1 : 2;
  for (uint32_t rows = spec->rows; rows >= MMA_ROWS && rows >= spec->group; rows /= 2) {
    for (uint32_t teams = most_teams(spec, rows); teams >= 1; teams /= 2) {
      divide_rows(spec, rows, teams, tile);
      /* Two CTAs of more than 128 threads would leave too few registers for O. */
      if ((tile->threads <= 128 && fit(spec, target, 2, tile)) || fit(spec, target, 1, tile))
        return FI_OK;
    }
  }
  return error_set(FI_ERROR_UNSUPPORTED,
                   "group=%u with head_dim=%u needs %u bytes of shared memory, and a CTA on %s has %u", spec->group,
                   spec->head_dim, tile->shared_bytes, target->name, target->shared_per_block);
}

fi_status tile_plan(const fi_spec *spec, const struct target *target, uint32_t choice, struct tile *tile) {
  *tile = (struct tile){.threads = 128, .ctas_per_sm = 8, .rows = 1, .tokens = 1};
  tile->kv_bytes = spec->kv_dtype == FI_E4M3 || spec->kv_dtype == FI_E5M2 ? 1 : 2;
  if (!target)
    target = target_find("sm_90a");
  if (choice > 0)
    return error_set(FI_ERROR_UNSUPPORTED, "there is no tile of number %u", choice);
  switch (spec->op) {
  case FI_OP_ATTENTION:
    return attention_tile(spec, target, tile);
  case FI_OP_PLAN:
    tile->threads = 256;
    tile->ctas_per_sm = 1;
    tile->shared_bytes = target->shared_per_block - PLAN_STATIC;
    return FI_OK;
  default:
    return FI_OK;
  }
}

uint32_t tile_step_tokens(const struct tile *tile) {
  return tile->teams * tile->team_tokens;
}
