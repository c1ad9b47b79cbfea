/*
 * The tiles of attention by wgmma and tensor maps: consumer warpgroups of 64 rows each, and one producer warpgroup that
 * brings Q, K and V to shared memory for them.
 */
#include "tile_plans.h"

#include "derived.h"
#include "dtypes.h"
#include "flashjit_args.h"
#include "shared_layout.h"
#include "tile_narrow.h"
#include "tile_records.h"

#include <stdbool.h>
#include <string.h>

enum {
  WARPGROUP = 128,
  WARPGROUP_ROWS = 64,
  LARGE_ROWS = 128, /* rows that a spec asks for where it means prefill */
  LEAST_DIM = 64,   /* smaller heads gain nothing: the exponentials take longer than the products */
  MOST_DIM = 256,   /* of one instruction */
  NARROW_DIM = 64,  /* heads up to it leave registers for a third consumer */
  PANEL_DIMS = 64,  /* dims of a panel: rows of 128 bytes, which one swizzle pattern covers */
  PANEL_ROW = 128,  /* bytes */
  PANEL_ALIGNMENT = 1024,
  MOST_TOKENS = 128,
  TOKEN_STEP = 16,
  LEAST_TOKENS = 32,
  LEAST_BOX = 8,           /* tokens of a box; smaller pages are gathered */
  STAGED_ROW_GROUP = 1024, /* bytes of O that a warp stages at once: 8 rows of a panel */
  SLICE_TOKENS = 32,       /* that a warp looks up at once where it gathers */
  GATHER_WARPS = 2,        /* of the producer */
  STORED_CHUNK = 16,       /* 8-bit elements that a thread copies at once */
  MASK_TOKENS = 32,        /* of a word of a packed mask */
  ITEMS_AHEAD = 2,         /* items whose rows are in shared memory: one in use, and the next */
  BARRIER = 8,             /* bytes */
  REST_REGISTERS = 32,     /* of a consumer, besides O, scores and weights */
  LEAST_SPAN = 512,        /* KV tokens that a row sees, of long prompts */
};

/* How the registers of a CTA are divided: a multiple of 8 for each thread. */
struct division {
  uint32_t consumers;
  uint32_t producer_registers;
  uint32_t consumer_registers;
};

static const struct division two_consumers = {2, 40, 232};
static const struct division three_consumers = {3, 32, 160};
static const struct division gathering = {2, 56, 224};  /* addresses of rows are in the producer's */
static const struct division converting = {2, 72, 216}; /* and elements on their way */

struct wgmma {
  const fi_spec *spec;
  const struct division *division;
  uint32_t rows;
  uint32_t qk_panels;
  uint32_t v_panels;
  uint32_t tokens;
  uint32_t stages;
  uint32_t query_tiles;
  uint32_t box_tokens;
};

/* Whether K and V have 8 bits and become 16-bit elements on their way: whole chunks, which all have one scale. */
static bool is_converted(const fi_spec *spec) {
  return derived_kv_bits(spec) == 8 && !derived_has_token_scales(spec) && spec->head_dim % STORED_CHUNK == 0 &&
         spec->v_dim % STORED_CHUNK == 0;
}

/* Whether this family has tiles of a spec. */
static bool serves(const fi_spec *spec, const struct target *target) {
  return target->wgmma && tile_rows_asked(spec) == LARGE_ROWS &&
         (spec->q_dtype == spec->kv_dtype || is_converted(spec)) && spec->v_dtype == spec->kv_dtype &&
         spec->q_dtype != FI_E4M3 &&
         !derived_rotates_keys(spec) && spec->v_source == FI_V_OWN && !spec->select && spec->head_dim >= LEAST_DIM &&
         spec->head_dim <= MOST_DIM && spec->v_dim >= LEAST_DIM && spec->v_dim <= MOST_DIM;
}

static uint32_t panels_of(uint32_t dim) {
  return (dim + PANEL_DIMS - 1) / PANEL_DIMS;
}

static uint32_t panel_bytes(uint32_t panels, uint32_t rows) {
  return panels * rows * PANEL_ROW;
}

/* Whether rows of K and V are copied one by one: pages are small, or elements are converted. */
static bool gathers(const fi_spec *spec) {
  return is_converted(spec) || (spec->page_size > 0 && tile_box_tokens(spec, MOST_TOKENS) < LEAST_BOX);
}

/* Most KV tokens that a row sees by its window and chunk. */
static uint32_t span_of(const fi_spec *spec) {
  const uint32_t left = spec->window_left ? spec->window_left : UINT32_MAX;
  const uint32_t chunk = spec->chunk ? spec->chunk : UINT32_MAX;
  return left < chunk ? left : chunk;
}

/*
 * Whether it is faster than mma, as measured on an H200 (tests/perf/LOG.md): not where two warps copy row by row, which
 * takes 1.8 times mma's time at pages of one token and 1.4 times with 8-bit K and V, and not where the few steps of a
 * short window leave a tile no time to hide how it begins and ends, which takes 1.6 times mma's at 128 tokens; 1024
 * tokens take 0.6.
 */
static bool pays(const fi_spec *spec) {
  return !gathers(spec) && span_of(spec) >= LEAST_SPAN;
}

/*
 * Bytes of a tile of 8-bit elements on its way, of the wider of K and V: places that threads have of their own, one for
 * each pass of the warps over rows of a slice.
 */
static uint32_t stored_bytes(const struct wgmma *wgmma) {
  const fi_spec *spec = wgmma->spec;
  const uint32_t dims[] = {spec->head_dim, spec->v_dim};
  uint32_t most = 0;
  for (int i = 0; i < 2 && is_converted(spec); i++) {
    const uint32_t rows = GATHER_WARPS * (32 / (dims[i] / STORED_CHUNK));
    const uint32_t passes = (SLICE_TOKENS + rows - 1) / rows;
    most = passes > most ? passes : most;
  }
  return wgmma->tokens / SLICE_TOKENS * most * GATHER_WARPS * 32 * STORED_CHUNK;
}

enum { REGIONS = 7 };

static void lay_out(const struct wgmma *wgmma, struct region regions[REGIONS]) {
  const uint32_t workers = WARPGROUP * wgmma->division->consumers;
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + wgmma->rows * sizeof(struct tile_row));
  const uint32_t barriers = 2 * ITEMS_AHEAD + 2 * wgmma->query_tiles + 4 * wgmma->stages;
  const uint32_t lists = wgmma->spec->prefixes ? workers / 32 : 1; /* of units to merge */
  const struct region rows[REGIONS] = {
      {"shared_query", PANEL_ALIGNMENT, wgmma->query_tiles * panel_bytes(wgmma->qk_panels, wgmma->rows),
       "byte offset in shared memory: the tiles of Q"},
      {"shared_keys", PANEL_ALIGNMENT, wgmma->stages * panel_bytes(wgmma->qk_panels, wgmma->tokens), "the ring of K"},
      {"shared_values", PANEL_ALIGNMENT, wgmma->stages * panel_bytes(wgmma->v_panels, wgmma->tokens), "the ring of V"},
      {"shared_stored", 16, 2 * stored_bytes(wgmma), "8-bit K and V on their way, two tiles"},
      {"shared_output", PANEL_ROW, workers / 32 * STAGED_ROW_GROUP, "O on its way out, a part a warp"},
      {"shared_items", 16, ITEMS_AHEAD * item_bytes, "work items with the rows of their tiles"},
      {"shared_barriers", 16, barriers * BARRIER + (lists + 3) / 4 * 16,
       "full and empty, of rows, Q, K and V; first of the units to merge"},
  };
  memcpy(regions, rows, sizeof rows);
}

static bool fits(const struct wgmma *wgmma, const struct target *target) {
  struct region regions[REGIONS];
  lay_out(wgmma, regions);
  return shared_layout_bytes(regions, REGIONS) <= target->shared_per_block;
}

/* About what a consumer needs in a step: O, the scores, and the weights of the step before. */
static bool leaves_registers(const struct wgmma *wgmma) {
  const uint32_t needed = (wgmma->spec->v_dim + wgmma->tokens) / 2 + wgmma->tokens / 4 + REST_REGISTERS;
  return needed <= wgmma->division->consumer_registers;
}

/* Doubles a count where there is room. */
static void double_count(struct wgmma *wgmma, const struct target *target, uint32_t *count) {
  *count *= 2;
  if (!fits(wgmma, target))
    *count /= 2;
}

/*
 * The tile of so many tokens a step, if it fits: with a second tile of Q, then with more stages, where there is room.
 * Both are powers of two, so that one counter is a place in the ring and the parity of its phase.
 */
static bool make(struct wgmma *wgmma, const struct target *target, uint32_t tokens) {
  wgmma->tokens = tokens;
  wgmma->box_tokens = tile_box_tokens(wgmma->spec, tokens);
  wgmma->stages = 2;
  wgmma->query_tiles = 1;
  if (!leaves_registers(wgmma) || !fits(wgmma, target))
    return false;
  double_count(wgmma, target, &wgmma->query_tiles);
  double_count(wgmma, target, &wgmma->stages);
  return true;
}

/* Where a step may begin: at a box of a page, and at a word of a packed mask. */
static uint32_t start_tokens(const struct wgmma *wgmma) {
  uint32_t tokens = wgmma->spec->page_size > 0 && !gathers(wgmma->spec) ? wgmma->box_tokens : 1;
  if (wgmma->spec->mask_bits && tokens < MASK_TOKENS)
    tokens = MASK_TOKENS;
  return tokens;
}

static void describe(const struct wgmma *wgmma, struct tile *tile) {
  const fi_spec *spec = wgmma->spec;
  const struct division *division = wgmma->division;
  tile->threads = WARPGROUP * (division->consumers + 1);
  tile->ctas_per_sm = 1;
  tile->rows = wgmma->rows;
  tile->group_shares = 1;
  tile->heads = spec->group;
  tile->tokens = wgmma->rows / spec->group;
  tile->teams = 1;
  tile->team_tokens = wgmma->tokens;
  tile->start_tokens = start_tokens(wgmma);
  tile->stages = wgmma->stages;
  tile->token_bytes = (spec->head_dim + spec->v_dim) * derived_kv_bits(spec) / 8;
  tile_add(tile, "workers", WARPGROUP * division->consumers, "threads that compute: the consumers");
  tile_add(tile, "row_warps", 4 * division->consumers, "warps that divide the rows");
  tile_add(tile, "value_warps", 1, "warps with the same rows");
  tile_add(tile, "row_blocks", 1, "16-row blocks of a warp");
  tile_add(tile, "turns", division->consumers > 2, "1: consumers take turns at starting products");
  tile_add(tile, "query_tiles", wgmma->query_tiles, "tiles of Q: the next is brought while one is in use");
  tile->box_tokens = gathers(spec) ? 0 : wgmma->box_tokens;
  tile_add(tile, "box_tokens", wgmma->box_tokens, "KV tokens of a box, which lie in one page");
  tile_add(tile, "gathers", gathers(spec), "1: rows of K and V are copied one by one");
  tile_add(tile, "converts", is_converted(spec), "1: K and V become 16-bit elements on their way");
  tile_add(tile, "stored_bytes", stored_bytes(wgmma), "of a tile of them before");
  tile_add(tile, "producer_registers", division->producer_registers, "of a thread of the producer warpgroup");
  tile_add(tile, "consumer_registers", division->consumer_registers, "of a thread of the consumers");
  tile_narrow_add(tile, false);
  tile_add(tile, "mixed_rows", tile_mixes_rows(tile, spec) && !dtype_of(spec->v_dtype)->whole,
           "1: some row of a tile may not see a KV token of its item");
  struct region regions[REGIONS];
  lay_out(wgmma, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* Steps begin at words of a mask; warps that gather look up whole slices. */
static uint32_t token_multiple(const fi_spec *spec) {
  return spec->mask_bits ? MASK_TOKENS : gathers(spec) ? SLICE_TOKENS : TOKEN_STEP;
}

static const struct division *divide(const fi_spec *spec) {
  if (is_converted(spec))
    return &converting;
  if (gathers(spec))
    return &gathering;
  const bool narrow = spec->head_dim <= NARROW_DIM && spec->v_dim <= NARROW_DIM && spec->group <= NARROW_DIM;
  return narrow ? &three_consumers : &two_consumers;
}

/* The tiles that fit: as many KV tokens a step as there is room for, then fewer, which is what helps against spills. */
bool tile_plan_wgmma(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  if (!serves(spec, target) || (spec->family == FI_FAMILY_AUTO && !pays(spec)))
    return false;
  struct wgmma wgmma = {.spec = spec,
                        .division = divide(spec),
                        .qk_panels = panels_of(spec->head_dim),
                        .v_panels = panels_of(spec->v_dim)};
  wgmma.rows = WARPGROUP_ROWS * wgmma.division->consumers;
  for (uint32_t tokens = MOST_TOKENS; tokens >= LEAST_TOKENS; tokens -= TOKEN_STEP) {
    if (tokens % token_multiple(spec) > 0 || !make(&wgmma, target, tokens) || (*choice)-- > 0)
      continue;
    describe(&wgmma, tile);
    return true;
  }
  return false;
}
