/* The tile of the indexer: the steps of KV tokens that warps score, 16 tokens each, for all heads of the query. */
#include "tile_plans.h"

#include "shared_layout.h"

enum {
  WARP = 32,
  BLOCK = 16, /* tokens of a warp in a step, and heads that a matrix instruction takes */
  MOST_WARPS = 8,
  CTAS = 2,
  STATIC = 2048 /* shared memory for what finds the best */
};

static uint32_t query_rows(const fi_spec *spec) {
  return (spec->group + BLOCK - 1) / BLOCK * BLOCK;
}

static uint32_t lists(const fi_spec *spec) {
  return spec->scores == FI_SCORES_HEADS ? spec->group : 1;
}

/* Of a row of 16-bit elements: an odd number of 16-byte chunks, so that 8 rows lie in different banks. */
static uint32_t row_pitch(const fi_spec *spec) {
  return 2 * spec->head_dim + 16;
}

enum { REGIONS = 5 };

static void list_regions(const fi_spec *spec, uint32_t step_tokens, struct region regions[REGIONS]) {
  const uint32_t weights = spec->scores == FI_SCORES_HEADS ? 0 : query_rows(spec);
  const struct region all[REGIONS] = {
      {"shared_query", 128, query_rows(spec) * row_pitch(spec), "rows of Q"},
      {"shared_keys", 128, step_tokens * row_pitch(spec), "rows of K of a step"},
      {"shared_weights", 16, weights * (uint32_t)sizeof(float), "weights of the heads"},
      {"shared_scales", 16, step_tokens * (uint32_t)sizeof(float), "scales of the step's K"},
      {"shared_scores", 16, lists(spec) * step_tokens * (uint32_t)sizeof(float), "scores of a step, by list"},
  };
  for (int i = 0; i < REGIONS; i++)
    regions[i] = all[i];
}

/* A tile of a number of warps. */
static void fill_tile(const fi_spec *spec, const struct target *target, uint32_t warps, struct tile *tile) {
  struct region regions[REGIONS];
  list_regions(spec, warps * BLOCK, regions);
  *tile = (struct tile){
      .family = tile->family, .threads = warps * WARP, .rows = 1, .group_shares = 1, .heads = 1, .tokens = 1};
  tile_add(tile, "query_rows", query_rows(spec), "of Q, a multiple of 16");
  tile_add(tile, "row_pitch", row_pitch(spec), "bytes from row to row in shared memory");
  tile_add(tile, "lists", lists(spec), "of a query token and head of the keys");
  tile_add(tile, "step_tokens", warps * BLOCK, "KV tokens that are scored at once");
  tile_add(tile, "ordered_loads", 0, "1: matrix loads are not moved up");
  shared_layout_add(regions, REGIONS, tile);
  tile->ctas_per_sm = CTAS * (tile->shared_bytes + STATIC + TARGET_CTA_RESERVE) <= target->shared_per_sm ? CTAS : 1;
}

/* With as many warps as fit, then with fewer. */
bool tile_plan_indexer(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  for (uint32_t warps = MOST_WARPS; warps >= 1; warps /= 2) {
    fill_tile(spec, target, warps, tile);
    if (tile->shared_bytes + STATIC <= target->shared_per_block && (*choice)-- == 0)
      return true;
  }
  return false;
}
