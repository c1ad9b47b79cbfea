/*
 * The tiles of attention by wgmma whose Q, K and V are e4m3, products and all: two consumer warpgroups of 64 rows each,
 * and a producer, whose warps bring items, Q, and K and V, and turn V.
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
  CONSUMERS = 2,
  ROWS = 64 * CONSUMERS,
  LEAST_DIM = 64,        /* smaller heads gain nothing: the exponentials take longer than the products */
  MOST_DIM = 256,        /* of Q and K */
  MOST_V_DIM = 128,      /* O of more dims, and that of a step beside it, would not fit the registers */
  DIM_STEP = 16,         /* whole chunks of 16 bytes, and matrices that are turned */
  PANEL_DIMS = 128,      /* dims of a panel: rows of 128 bytes, which one swizzle pattern covers */
  PANEL_ROW = 128,       /* bytes */
  PANEL_ALIGNMENT = 1024,
  MOST_TOKENS = 128,
  TOKEN_STEP = 32,         /* of a product with V */
  LEAST_TOKENS = 64,
  LEAST_BOX = 8,           /* tokens of a box; smaller pages are not for it */
  STAGED_ROW_GROUP = 1024, /* bytes of O that a warp stages at once: 8 rows of a panel */
  MASK_TOKENS = 32,        /* of a word of a packed mask */
  ITEMS_AHEAD = 2,         /* items whose rows are in shared memory: one in use, and the next */
  BARRIER = 8,             /* bytes */
  PRODUCER_REGISTERS = 40,
  CONSUMER_REGISTERS = 232,
  REST_REGISTERS = 24, /* of a consumer, besides O, that of a step, scores and weights */
  LEAST_SPAN = 512,    /* KV tokens that a row sees, of long prompts */
};

struct narrow {
  const fi_spec *spec;
  uint32_t qk_panels;
  uint32_t tokens;
  uint32_t stages;
  uint32_t query_tiles;
  uint32_t box_tokens;
};

static bool is_of_dims(uint32_t dim, uint32_t most) {
  return dim >= LEAST_DIM && dim <= most && dim % DIM_STEP == 0;
}

/* Whether there are tiles of a spec. */
static bool serves(const fi_spec *spec, const struct target *target) {
  return target->wgmma && tile_rows_asked(spec) == ROWS && tile_narrow_serves(spec) &&
         is_of_dims(spec->head_dim, MOST_DIM) && is_of_dims(spec->v_dim, MOST_V_DIM) &&
         (spec->page_size == 0 || tile_box_tokens(spec, MOST_TOKENS) >= LEAST_BOX);
}

/* Whether it should be faster than mma: a short window leaves a tile no time to hide how it begins and ends. */
static bool pays(const fi_spec *spec) {
  const bool has_span = spec->window_left == 0 || spec->window_left >= LEAST_SPAN;
  return has_span && (spec->chunk == 0 || spec->chunk >= LEAST_SPAN);
}

static uint32_t panel_bytes(uint32_t panels, uint32_t rows) {
  return panels * rows * PANEL_ROW;
}

enum { REGIONS = 7 };

static void lay_out(const struct narrow *narrow, struct region regions[REGIONS]) {
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + ROWS * sizeof(struct tile_row));
  const struct region rows[REGIONS] = {
      {"shared_query", PANEL_ALIGNMENT, narrow->query_tiles * panel_bytes(narrow->qk_panels, ROWS),
       "byte offset in shared memory: the tiles of Q"},
      {"shared_keys", PANEL_ALIGNMENT, narrow->stages * panel_bytes(narrow->qk_panels, narrow->tokens),
       "the ring of K"},
      {"shared_values", PANEL_ALIGNMENT, narrow->stages * panel_bytes(1, narrow->tokens), "the ring of V as it comes"},
      {"shared_turned", PANEL_ALIGNMENT, narrow->stages * panel_bytes(1, narrow->spec->v_dim),
       "the ring of V turned, a row for each dim"},
      {"shared_output", PANEL_ROW, WARPGROUP * CONSUMERS / 32 * STAGED_ROW_GROUP, "O on its way out, a part a warp"},
      {"shared_items", 16, ITEMS_AHEAD * item_bytes, "work items with the rows of their tiles"},
      {"shared_barriers", 16, (2 * ITEMS_AHEAD + 2 * narrow->query_tiles + 6 * narrow->stages) * BARRIER + 16,
       "full and empty, of rows, Q, K, V and V turned; first of the units to merge"},
  };
  memcpy(regions, rows, sizeof rows);
}

static bool fits(const struct narrow *narrow, const struct target *target) {
  struct region regions[REGIONS];
  lay_out(narrow, regions);
  return shared_layout_bytes(regions, REGIONS) <= target->shared_per_block;
}

/* About what a consumer needs in a step: O, that of the step before, its weights, and the scores. */
static bool leaves_registers(const struct narrow *narrow) {
  const uint32_t needed = narrow->spec->v_dim + narrow->tokens / 2 + narrow->tokens / 8 + REST_REGISTERS;
  return needed <= CONSUMER_REGISTERS;
}

/* Doubles a count where there is room. */
static void double_count(struct narrow *narrow, const struct target *target, uint32_t *count) {
  *count *= 2;
  if (!fits(narrow, target))
    *count /= 2;
}

/* The tile of so many tokens a step, if it fits. Counts are powers of two, as places in a ring are. */
static bool make(struct narrow *narrow, const struct target *target, uint32_t tokens) {
  narrow->tokens = tokens;
  narrow->box_tokens = tile_box_tokens(narrow->spec, tokens);
  narrow->stages = 2;
  narrow->query_tiles = 1;
  if (!leaves_registers(narrow) || !fits(narrow, target))
    return false;
  double_count(narrow, target, &narrow->query_tiles);
  double_count(narrow, target, &narrow->stages);
  return true;
}

/* Where a step may begin: at a box of a page, and at a word of a packed mask. */
static uint32_t start_tokens(const struct narrow *narrow) {
  const uint32_t tokens = narrow->spec->page_size > 0 ? narrow->box_tokens : 1;
  return narrow->spec->mask_bits && tokens < MASK_TOKENS ? MASK_TOKENS : tokens;
}

static void describe(const struct narrow *narrow, struct tile *tile) {
  const fi_spec *spec = narrow->spec;
  tile->threads = WARPGROUP * (CONSUMERS + 1);
  tile->ctas_per_sm = 1;
  tile->rows = ROWS;
  tile->group_shares = 1;
  tile->heads = spec->group;
  tile->tokens = ROWS / spec->group;
  tile->teams = 1;
  tile->team_tokens = narrow->tokens;
  tile->start_tokens = start_tokens(narrow);
  tile->stages = narrow->stages;
  tile->token_bytes = spec->head_dim + spec->v_dim;
  tile->box_tokens = narrow->box_tokens;
  tile_add(tile, "workers", WARPGROUP * CONSUMERS, "threads that compute: the consumers");
  tile_add(tile, "row_warps", 4 * CONSUMERS, "warps that divide the rows");
  tile_add(tile, "value_warps", 1, "warps with the same rows");
  tile_add(tile, "row_blocks", 1, "16-row blocks of a warp");
  tile_add(tile, "turns", 0, "1: consumers take turns at starting products");
  tile_add(tile, "query_tiles", narrow->query_tiles, "tiles of Q: the next is brought while one is in use");
  tile_add(tile, "box_tokens", narrow->box_tokens, "KV tokens of a box, which lie in one page");
  tile_add(tile, "ordered_loads", 0, "1: matrix loads stay where they stand");
  tile_add(tile, "gathers", 0, "1: rows of K and V are copied one by one");
  tile_add(tile, "producer_registers", PRODUCER_REGISTERS, "of a thread of the producer warpgroup");
  tile_add(tile, "consumer_registers", CONSUMER_REGISTERS, "of a thread of the consumers");
  tile_narrow_add(tile, true);
  tile_add(tile, "mixed_rows", tile_mixes_rows(tile, spec), "1: some row of a tile may not see a KV token of its item");
  struct region regions[REGIONS];
  lay_out(narrow, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* The tiles that fit: as many KV tokens a step as there is room for, then fewer, which is what helps against spills. */
bool tile_plan_e4m3(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  if (!serves(spec, target) || (spec->family == FI_FAMILY_AUTO && !pays(spec)))
    return false;
  struct narrow narrow = {.spec = spec, .qk_panels = (spec->head_dim + PANEL_DIMS - 1) / PANEL_DIMS};
  for (uint32_t tokens = MOST_TOKENS; tokens >= LEAST_TOKENS; tokens -= TOKEN_STEP) {
    if (!make(&narrow, target, tokens) || (*choice)-- > 0)
      continue;
    describe(&narrow, tile);
    return true;
  }
  return false;
}
