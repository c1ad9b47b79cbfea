/*
 * The tiles of attention by wgmma where V is the first dims of K, as latents are: two consumer warpgroups have the same
 * 64 rows and each one half of the dims of O, and one producer warpgroup brings Q and K to shared memory for them.
 */
#include "tile_plans.h"

#include "derived.h"
#include "flashjit_args.h"
#include "shared_layout.h"
#include "tile_narrow.h"
#include "tile_records.h"

#include <stdbool.h>
#include <string.h>

enum {
  WARPGROUP = 128,
  CONSUMERS = 2,    /* and as many warps with the same rows */
  ROWS = 64,        /* of a product */
  STEP_TOKENS = 64, /* whose weights, rows of 128 bytes, take the place of the dims of K beyond those of V */
  PANEL_DIMS = 64,
  PANEL_BYTES = STEP_TOKENS * 128,
  PANEL_ALIGNMENT = 1024,
  PARTS = 3,        /* of a stage, with barriers of their own: two halves of V, and the rest of K */
  LEAST_BOX = 8,    /* tokens of a box; smaller pages are not for tensor maps */
  MASK_TOKENS = 32, /* of a word of a packed mask */
  ITEMS_AHEAD = 2,  /* items whose rows are in shared memory: one in use, and the next */
  BARRIER = 8,      /* bytes */
  SEEN_TOKENS = 32, /* of a word that says which rows of a step are seen */
};

/* How the registers of a CTA are divided: a multiple of 8 for each thread. */
struct division {
  uint32_t producer_registers;
  uint32_t consumer_registers;
};

static const struct division copying = {40, 232};
static const struct division gathering = {56, 224}; /* addresses of rows are in the producer's */

struct latent {
  const fi_spec *spec;
  uint32_t group_shares; /* tiles that divide the heads of a KV head */
  uint32_t stages;
  uint32_t box_tokens;
};

/* Whether the dims are halves of V in whole panels, and at most one panel more. */
static bool suits_dims(const fi_spec *spec) {
  return spec->v_dim % (CONSUMERS * PANEL_DIMS) == 0 && spec->head_dim <= spec->v_dim + PANEL_DIMS;
}

/* Whether rows of K are copied one by one: pages are small, or lists say which there are. */
static bool gathers(const fi_spec *spec) {
  return spec->select > 0 || tile_box_tokens(spec, STEP_TOKENS) < LEAST_BOX;
}

/* Whether this family has tiles of a spec. */
static bool serves(const fi_spec *spec, const struct target *target) {
  return target->wgmma && spec->v_source == FI_V_KEYS && tile_rows_asked(spec) >= ROWS && suits_dims(spec) &&
         derived_kv_bits(spec) == 16 && spec->q_dtype == spec->kv_dtype && !derived_rotates_keys(spec) &&
         !spec->second_page && !spec->prefixes && spec->snippet != FI_SNIPPET_WEIGHT;
}

static uint32_t query_panels(const struct latent *latent) {
  return (latent->spec->head_dim + PANEL_DIMS - 1) / PANEL_DIMS;
}

/* Of a stage, which weights have a place in even where V is all of K. */
static uint32_t key_panels(const struct latent *latent) {
  return latent->spec->v_dim / PANEL_DIMS + 1;
}

/* Bytes that say which rows of a stage are seen. */
static uint32_t seen_bytes(const struct latent *latent) {
  return latent->spec->select > 0 ? STEP_TOKENS / SEEN_TOKENS * (uint32_t)sizeof(uint32_t) : 0;
}

enum { REGIONS = 8 };

static void lay_out(const struct latent *latent, struct region regions[REGIONS]) {
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + ROWS * sizeof(struct tile_row));
  const uint32_t barriers = 2 * ITEMS_AHEAD + 2 + (2 * PARTS + 1) * latent->stages;
  const struct region rows[REGIONS] = {
      {"shared_query", PANEL_ALIGNMENT, query_panels(latent) * PANEL_BYTES,
       "byte offset in shared memory: the tile of Q"},
      {"shared_keys", PANEL_ALIGNMENT, latent->stages * key_panels(latent) * PANEL_BYTES, "the ring of K"},
      {"shared_items", 16, ITEMS_AHEAD * item_bytes, "work items with the rows of their tiles"},
      {"shared_maxima", 16, latent->stages * (uint32_t)sizeof(struct step_maxima),
       "maxima of rows after each step of the ring"},
      {"shared_sums", 16, 2 * CONSUMERS * WARPGROUP * 2 * (uint32_t)sizeof(float),
       "the consumers' sums of rows, of an item and the next"},
      {"shared_seen", 16, latent->stages * seen_bytes(latent), "which rows of the stages are seen"},
      {"shared_odd", 4, 4, "1: V is infinite or NaN where not all rows see it"},
      {"shared_barriers", 16, barriers * BARRIER + 16,
       "full and empty, of rows, Q, and parts of K; full, of weights; first of the units to merge"},
  };
  memcpy(regions, rows, sizeof rows);
}

static bool fits(const struct latent *latent, const struct target *target) {
  struct region regions[REGIONS];
  lay_out(latent, regions);
  return shared_layout_bytes(regions, REGIONS) <= target->shared_per_block;
}

/* Where a step may begin: at a box of a page, and at a word of a packed mask. */
static uint32_t start_tokens(const struct latent *latent) {
  const uint32_t tokens = latent->spec->page_size > 0 && !gathers(latent->spec) ? latent->box_tokens : 1;
  return latent->spec->mask_bits && tokens < MASK_TOKENS ? MASK_TOKENS : tokens;
}

static void describe(const struct latent *latent, struct tile *tile) {
  const fi_spec *spec = latent->spec;
  const struct division *division = gathers(spec) ? &gathering : &copying;
  tile->threads = WARPGROUP * (CONSUMERS + 1);
  tile->ctas_per_sm = 1;
  tile->rows = ROWS;
  tile->group_shares = latent->group_shares;
  tile->heads = spec->group / latent->group_shares;
  tile->tokens = spec->select > 0 ? 1 : ROWS / tile->heads; /* each has its own lists */
  tile->teams = 1;
  tile->team_tokens = STEP_TOKENS;
  tile->start_tokens = start_tokens(latent);
  tile->stages = latent->stages;
  tile->token_bytes = spec->head_dim * derived_kv_bits(spec) / 8;
  tile->box_tokens = gathers(spec) ? 0 : latent->box_tokens;
  tile_add(tile, "workers", WARPGROUP * CONSUMERS, "threads that compute: the consumers");
  tile_add(tile, "row_warps", ROWS / 16, "warps that divide the rows");
  tile_add(tile, "value_warps", CONSUMERS, "warps with the same rows, which divide the dims of V");
  tile_add(tile, "row_blocks", 1, "16-row blocks of a warp");
  tile_add(tile, "query_tiles", 1, "tiles of Q");
  tile_add(tile, "box_tokens", latent->box_tokens, "KV tokens of a box, which lie in one page");
  tile_add(tile, "query_alone", 1, QUERY_ALONE);
  tile_add(tile, "converts", 0, CONVERTS);
  tile_add(tile, "gathers", gathers(spec), "1: rows of K are copied one by one");
  tile_add(tile, "producer_registers", division->producer_registers, "of a thread of the producer warpgroup");
  tile_add(tile, "consumer_registers", division->consumer_registers, "of a thread of the consumers");
  tile_narrow_add(tile, false);
  const bool mixed_rows = tile_mixes_rows(tile, spec);
  tile_add(tile, "mixed_rows", mixed_rows, "1: some row of a tile may not see a KV token of its item");
  tile_add(tile, "frees_query", !mixed_rows, FREES_QUERY);
  if (tile->group_shares > 1)
    tile_add(tile, "group", tile->heads, "query heads of a tile, those of a share of a KV head");
  struct region regions[REGIONS];
  lay_out(latent, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* The one tile: of as many heads as it has rows or fewer, with four stages where there is room. */
bool tile_plan_latent(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  struct latent latent = {.spec = spec, .group_shares = 1, .stages = 2 * CONSUMERS};
  while (spec->group / latent.group_shares > ROWS)
    latent.group_shares *= 2;
  if (!serves(spec, target) || spec->group % latent.group_shares > 0)
    return false;
  latent.box_tokens = tile_box_tokens(spec, STEP_TOKENS);
  if (!fits(&latent, target))
    latent.stages = CONSUMERS;
  if (!fits(&latent, target) || (*choice)-- > 0)
    return false;
  describe(&latent, tile);
  return true;
}
