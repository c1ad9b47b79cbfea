/*
 * The tiles of attention by wgmma where O of 64 rows has more dims than the registers of a consumer: two consumer
 * warpgroups have the same rows and each one half of the dims of O, and one producer warpgroup brings Q, K and V to
 * shared memory for them. V is the first dims of K, as of latents, or has a ring of its own.
 */
#include "tile_plans.h"

#include "derived.h"
#include "flashjit_args.h"
#include "shared_layout.h"
#include "tile_narrow.h"
#include "tile_records.h"
#include "tile_warpgroups.h"

#include <stdbool.h>
#include <string.h>

enum {
  CONSUMERS = 2,     /* and as many warps with the same rows */
  STEP_TOKENS = 64,  /* whose weights, rows of 128 bytes, take the place of the dims of K beyond those of V */
  LEAST_TOKENS = 32, /* of a step where V is not in K and K of more does not fit */
  WHOLE_V_DIM = 256, /* O of so many dims is in the registers of one consumer */
  PANEL_DIMS = 64,
  PARTS = 3,        /* of a stage, with barriers of their own: two halves of V, and the rest of K */
  SEEN_TOKENS = 32, /* of a word that says which rows of a step are seen */
};

static const struct division copying = {CONSUMERS, 1, 40, 232};
static const struct division gathering = {CONSUMERS, 1, 56, 224}; /* addresses of rows are in the producer's */

struct halves {
  const fi_spec *spec;
  uint32_t group_shares; /* tiles that divide the heads of a KV head */
  uint32_t tokens;       /* of a step */
  uint32_t stages;
  uint32_t box_tokens;
};

/* Whether rows of K are copied one by one: pages are small, or lists say which there are. */
static bool gathers(const fi_spec *spec) {
  return spec->select > 0 || tile_box_tokens(spec, STEP_TOKENS) < PART_TOKENS;
}

/* What V that is in K has in common with V of its own. */
static bool serves(const fi_spec *spec, const struct target *target) {
  return target->wgmma && tile_rows_asked(spec) >= WARPGROUP_ROWS && spec->v_dim % (CONSUMERS * PANEL_DIMS) == 0 &&
         derived_kv_bits(spec) == 16 && spec->q_dtype == spec->kv_dtype && spec->v_dtype == spec->kv_dtype &&
         !derived_rotates_keys(spec) && !spec->second_page && !spec->prefixes && spec->snippet != FI_SNIPPET_WEIGHT;
}

/* Whether there are tiles of a spec with V in K: of all its dims, or of all but those of a panel. */
static bool serves_latent(const fi_spec *spec, const struct target *target) {
  return serves(spec, target) && spec->v_source == FI_V_KEYS && spec->head_dim <= spec->v_dim + PANEL_DIMS;
}

/* Whether there are tiles of a spec with V of its own. */
static bool serves_own(const fi_spec *spec, const struct target *target) {
  return serves(spec, target) && spec->v_source == FI_V_OWN && spec->v_dim > WHOLE_V_DIM && !gathers(spec);
}

static uint32_t panels_of(uint32_t dim) {
  return (dim + PANEL_DIMS - 1) / PANEL_DIMS;
}

static bool has_own_v(const struct halves *halves) {
  return halves->spec->v_source == FI_V_OWN;
}

/* Panels of a stage of K, in which weights have a place even where V is all of K. */
static uint32_t key_panels(const struct halves *halves) {
  return has_own_v(halves) ? panels_of(halves->spec->head_dim) : panels_of(halves->spec->v_dim) + 1;
}

static uint32_t value_panels(const struct halves *halves) {
  return has_own_v(halves) ? panels_of(halves->spec->v_dim) : 0;
}

/* Of a stage: full and empty of K, V and weights, or of parts of K, with weights that are full. */
static uint32_t stage_barriers(const struct halves *halves) {
  return has_own_v(halves) ? 2 * 3 : 2 * PARTS + 1;
}

/* Bytes that say which rows of a stage are seen. */
static uint32_t seen_bytes(const struct halves *halves) {
  return halves->spec->select > 0 ? halves->tokens / SEEN_TOKENS * (uint32_t)sizeof(uint32_t) : 0;
}

enum { REGIONS = 10 };

static void lay_out(const struct halves *halves, struct region regions[REGIONS]) {
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + WARPGROUP_ROWS * sizeof(struct tile_row));
  const uint32_t barriers = 2 * ITEMS_AHEAD + 2 + stage_barriers(halves) * halves->stages;
  const uint32_t stage_panel = halves->stages * halves->tokens * PANEL_ROW;
  const struct region rows[REGIONS] = {
      {"shared_query", PANEL_ALIGNMENT, panels_of(halves->spec->head_dim) * WARPGROUP_ROWS * PANEL_ROW,
       "byte offset in shared memory: the tile of Q"},
      {"shared_keys", PANEL_ALIGNMENT, key_panels(halves) * stage_panel, "the ring of K"},
      {"shared_values", PANEL_ALIGNMENT, value_panels(halves) * stage_panel, "the ring of V"},
      {"shared_weights", PANEL_ALIGNMENT, has_own_v(halves) ? halves->stages * WARPGROUP_ROWS * PANEL_ROW : 0,
       "weights of steps"},
      {"shared_items", 16, ITEMS_AHEAD * item_bytes, "work items with the rows of their tiles"},
      {"shared_maxima", 16, halves->stages * (uint32_t)sizeof(struct step_maxima),
       "maxima of rows after each step of the ring"},
      {"shared_sums", 16, 2 * CONSUMERS * WARPGROUP * 2 * (uint32_t)sizeof(float),
       "the consumers' sums of rows, of an item and the next"},
      {"shared_seen", 16, halves->stages * seen_bytes(halves), "which rows of the stages are seen"},
      {"shared_odd", 4, 4, "1: V is infinite or NaN where not all rows see it"},
      {"shared_barriers", 16, barriers * BARRIER + 16,
       "full and empty, of rows, Q and each ring; first of the units to merge"},
  };
  memcpy(regions, rows, sizeof rows);
}

static bool fits(const struct halves *halves, const struct target *target) {
  struct region regions[REGIONS];
  lay_out(halves, regions);
  return shared_layout_bytes(regions, REGIONS) <= target->shared_per_block;
}

static void describe(const struct halves *halves, struct tile *tile) {
  const fi_spec *spec = halves->spec;
  tile->rows = WARPGROUP_ROWS;
  tile->group_shares = halves->group_shares;
  tile->heads = spec->group / halves->group_shares;
  tile->tokens = spec->select > 0 ? 1 : WARPGROUP_ROWS / tile->heads; /* each has its own lists */
  tile->teams = 1;
  tile->team_tokens = halves->tokens;
  tile->stages = halves->stages;
  tile->token_bytes = (spec->head_dim + (has_own_v(halves) ? spec->v_dim : 0)) * derived_kv_bits(spec) / 8;
  tile_warpgroups_add(tile, spec, gathers(spec) ? &gathering : &copying, halves->box_tokens, gathers(spec));
  tile_add(tile, "row_warps", WARPGROUP_ROWS / 16, "warps that divide the rows");
  tile_add(tile, "value_warps", CONSUMERS, "warps with the same rows, which divide the dims of V");
  tile_add(tile, "query_tiles", 1, "tiles of Q");
  tile_add(tile, "query_alone", 1, QUERY_ALONE);
  tile_add(tile, "converts", 0, CONVERTS);
  tile_narrow_add(tile, false);
  const bool mixed_rows = tile_mixes_rows(tile, spec);
  tile_add(tile, "mixed_rows", mixed_rows, "1: some row of a tile may not see a KV token of its item");
  tile_add(tile, "frees_query", !mixed_rows, FREES_QUERY);
  if (tile->group_shares > 1)
    tile_add(tile, "group", tile->heads, "query heads of a tile, those of a share of a KV head");
  struct region regions[REGIONS];
  lay_out(halves, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* Of as many heads as a tile has rows or fewer, with four stages where there is room; false where two do not fit. */
static bool make(const fi_spec *spec, const struct target *target, uint32_t tokens, struct halves *halves) {
  *halves = (struct halves){spec, 1, tokens, 2 * CONSUMERS, tile_box_tokens(spec, tokens)};
  while (spec->group / halves->group_shares > WARPGROUP_ROWS)
    halves->group_shares *= 2;
  if (!fits(halves, target))
    halves->stages = CONSUMERS;
  return spec->group % halves->group_shares == 0 && fits(halves, target);
}

/* The one tile: weights of a step have room where all of K but V is. */
bool tile_plan_latent(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  struct halves halves;
  if (!serves_latent(spec, target) || !make(spec, target, STEP_TOKENS, &halves) || (*choice)-- > 0)
    return false;
  describe(&halves, tile);
  return true;
}

/* The tiles that fit: of as many KV tokens a step as there is room for, then of fewer. */
bool tile_plan_halves(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  if (!serves_own(spec, target))
    return false;
  for (uint32_t tokens = STEP_TOKENS; tokens >= LEAST_TOKENS; tokens /= 2) {
    struct halves halves;
    if (!make(spec, target, tokens, &halves) || (*choice)-- > 0)
      continue;
    describe(&halves, tile);
    return true;
  }
  return false;
}
