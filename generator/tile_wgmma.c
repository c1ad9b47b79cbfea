/*
 * The tiles of attention by wgmma and tensor maps: consumer warpgroups of 64 rows each, and one or two of producers
 * that bring Q, K and V to shared memory for them. Products are of 16-bit elements, or of e4m3, for which these turn V.
 */
#include "tile_plans.h"

#include "derived.h"
#include "dtypes.h"
#include "flashjit_args.h"
#include "shared_layout.h"
#include "tile_narrow.h"
#include "tile_records.h"
#include "tile_warpgroups.h"

#include <stdbool.h>
#include <string.h>

enum {
  LARGE_ROWS = 128,        /* rows that a spec asks for where it means prefill */
  LEAST_DIM = 64,          /* smaller heads gain nothing: the exponentials take longer than the products */
  MOST_DIM = 256,          /* of one instruction */
  SMALL_DIM = 64,          /* heads up to it leave registers for a third consumer */
  NARROW_MOST_V_DIM = 128, /* of e4m3: O of more dims, and that of a step beside it, would not fit the registers */
  NARROW_DIM_STEP = 16,    /* whole chunks of 16 bytes, and matrices that are turned */
  MOST_TOKENS = 128,
  STAGED_ROW_GROUP = 1024, /* bytes of O that a warp stages at once: 8 rows of a panel */
  STORED_CHUNK = 16,       /* 8-bit elements that a thread converts at once */
  STORED_BARRIERS = 4,     /* full and empty, of K and V that are on their way */
  BUSY_MOST_DIM = 128,     /* of heads that leave registers to two warpgroups of producers */
  FEW_ROWS_MOST_DIM = 128, /* of heads whose two stages leave room for another CTA .. */
  FEW_ROWS_TOKENS = 64,    /* .. and for a second tile of Q, which is worth more than longer steps */
  LONG_SPAN = 512,         /* KV tokens that a row sees, from which on steps are as long as there is room for */
};

/* Two CTAs an SM of one consumer: where KV is read for few rows, one waits for it while the other computes. */
static const struct division one_consumer = {1, 1, 56, 200};
static const struct division two_consumers = {2, 1, 40, 232};
static const struct division three_consumers = {3, 1, 32, 160};
/* Many warps copy row by row, or convert; one warpgroup where V has more dims, whose products ptxas refuses in kernels
 * of so many threads, or K has, whose rows would not fit the registers. */
static const struct division busy = {2, 2, 56, 200};
static const struct division gathering_wide = {2, 1, 56, 224};
static const struct division converting_wide = {2, 1, 72, 216};

/* What tiles depend on by the elements of products. */
struct products {
  uint32_t element_bytes;
  uint32_t outputs;        /* in registers: O, and that of a step, where it is summed alone */
  uint32_t rest_registers; /* of a consumer, besides these, scores and weights */
  uint32_t token_step;     /* of a product with V, and of tiles that are tried */
  uint32_t least_tokens;
  uint32_t stage_barriers; /* full and empty, of what a stage has: K, V, and V turned */
};

static const struct products of_16_bits = {2, 1, 32, 16, 32, 4};
static const struct products of_e4m3 = {1, 2, 24, 32, 64, 6};

struct wgmma {
  const fi_spec *spec;
  const struct products *products;
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
  return !tile_narrow_serves(spec) && derived_kv_bits(spec) == 8 && !derived_has_token_scales(spec) &&
         spec->head_dim % STORED_CHUNK == 0 && spec->v_dim % STORED_CHUNK == 0;
}

/* Whether rows of K and V are copied one by one: pages are small. */
static bool gathers(const fi_spec *spec) {
  return spec->page_size > 0 && tile_box_tokens(spec, MOST_TOKENS) < PART_TOKENS;
}

/* Whether tensor maps bring K and V as products take them. */
static bool has_boxes(const fi_spec *spec) {
  return !gathers(spec) && !is_converted(spec);
}

/* Whether there are tiles of a spec by products of 16 bits. */
static bool serves_16_bits(const fi_spec *spec, const struct target *target, uint32_t rows) {
  return target->wgmma && tile_rows_asked(spec) == rows && (spec->q_dtype == spec->kv_dtype || is_converted(spec)) &&
         spec->v_dtype == spec->kv_dtype && spec->q_dtype != FI_E4M3 && !derived_rotates_keys(spec) &&
         spec->v_source == FI_V_OWN && !spec->select && spec->head_dim >= LEAST_DIM && spec->head_dim <= MOST_DIM &&
         spec->v_dim >= LEAST_DIM && spec->v_dim <= MOST_DIM;
}

static bool is_narrow_dim(uint32_t dim, uint32_t most) {
  return dim >= LEAST_DIM && dim <= most && dim % NARROW_DIM_STEP == 0;
}

/* Whether there are tiles of 64 rows, which one consumer has. */
static bool serves_few_rows(const fi_spec *spec, const struct target *target) {
  return serves_16_bits(spec, target, WARPGROUP_ROWS) && spec->head_dim <= FEW_ROWS_MOST_DIM &&
         spec->v_dim <= FEW_ROWS_MOST_DIM && has_boxes(spec) && !spec->prefixes;
}

/* Whether there are tiles of a spec by products of e4m3. */
static bool serves_e4m3(const fi_spec *spec, const struct target *target) {
  return target->wgmma && tile_rows_asked(spec) == LARGE_ROWS && tile_narrow_serves(spec) &&
         is_narrow_dim(spec->head_dim, MOST_DIM) && is_narrow_dim(spec->v_dim, NARROW_MOST_V_DIM) &&
         (spec->page_size == 0 || tile_box_tokens(spec, MOST_TOKENS) >= PART_TOKENS);
}

static uint32_t panels_of(uint32_t dim, const struct products *products) {
  const uint32_t panel_dims = PANEL_ROW / products->element_bytes;
  return (dim + panel_dims - 1) / panel_dims;
}

static uint32_t panel_bytes(uint32_t panels, uint32_t rows) {
  return panels * rows * PANEL_ROW;
}

/*
 * Whether it is faster than mma, as measured on an H200 (tests/perf/LOG.md): not for 8-bit K and V of small heads,
 * where their conversion takes as long as all the rest.
 */
static bool pays(const fi_spec *spec) {
  return !is_converted(spec) || spec->head_dim > SMALL_DIM || spec->v_dim > SMALL_DIM;
}

/* Whether the warp that brings Q does nothing else: two are enough for K and V. */
static bool has_query_warp(const fi_spec *spec) {
  return has_boxes(spec) && !tile_narrow_serves(spec);
}

/* Bytes of a tile of K and of V as they come, before they are converted. */
static uint32_t stored_bytes(const struct wgmma *wgmma) {
  const fi_spec *spec = wgmma->spec;
  if (!is_converted(spec))
    return 0;
  const uint32_t panels = (spec->head_dim + PANEL_ROW - 1) / PANEL_ROW + (spec->v_dim + PANEL_ROW - 1) / PANEL_ROW;
  return panel_bytes(panels, wgmma->tokens);
}

/* Bytes of the ring of V turned: a row for each dim. */
static uint32_t turned_bytes(const struct wgmma *wgmma) {
  return tile_narrow_serves(wgmma->spec) ? wgmma->stages * panel_bytes(1, wgmma->spec->v_dim) : 0;
}

enum { REGIONS = 8 };

static void lay_out(const struct wgmma *wgmma, struct region regions[REGIONS]) {
  const uint32_t workers = WARPGROUP * wgmma->division->consumers;
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + wgmma->rows * sizeof(struct tile_row));
  const uint32_t stored_barriers = is_converted(wgmma->spec) ? STORED_BARRIERS : 0;
  const uint32_t barriers =
      2 * ITEMS_AHEAD + 2 * wgmma->query_tiles + stored_barriers + wgmma->products->stage_barriers * wgmma->stages;
  const uint32_t lists = wgmma->spec->prefixes ? workers / 32 : 1; /* of units to merge */
  const struct region rows[REGIONS] = {
      {"shared_query", PANEL_ALIGNMENT, wgmma->query_tiles * panel_bytes(wgmma->qk_panels, wgmma->rows),
       "byte offset in shared memory: the tiles of Q"},
      {"shared_keys", PANEL_ALIGNMENT, wgmma->stages * panel_bytes(wgmma->qk_panels, wgmma->tokens), "the ring of K"},
      {"shared_values", PANEL_ALIGNMENT, wgmma->stages * panel_bytes(wgmma->v_panels, wgmma->tokens),
       "the ring of V, as it comes"},
      {"shared_turned", PANEL_ALIGNMENT, turned_bytes(wgmma), "the ring of V turned, a row for each dim"},
      {"shared_stored", PANEL_ALIGNMENT, stored_bytes(wgmma), "K and V of a step before they are converted"},
      {"shared_output", PANEL_ROW, workers / 32 * STAGED_ROW_GROUP, "O on its way out, a part a warp"},
      {"shared_items", 16, ITEMS_AHEAD * item_bytes, "work items with the rows of their tiles"},
      {"shared_barriers", 16, barriers * BARRIER + (lists + 3) / 4 * 16,
       "full and empty, of rows, Q and each ring; first of the units to merge"},
  };
  memcpy(regions, rows, sizeof rows);
}

static uint32_t ctas_per_sm(const struct wgmma *wgmma) {
  return wgmma->division == &one_consumer ? 2 : 1;
}

static bool fits(const struct wgmma *wgmma, const struct target *target) {
  struct region regions[REGIONS];
  lay_out(wgmma, regions);
  return shared_layout_bytes(regions, REGIONS) <= target->shared_per_sm / ctas_per_sm(wgmma) - TARGET_CTA_RESERVE;
}

/* About what a consumer needs in a step: O, and that of a step, the scores, and the weights of the step before. */
static bool leaves_registers(const struct wgmma *wgmma) {
  const struct products *products = wgmma->products;
  const uint32_t weights = wgmma->tokens * products->element_bytes / 8;
  const uint32_t needed =
      (wgmma->spec->v_dim * products->outputs + wgmma->tokens) / 2 + weights + products->rest_registers;
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

/* Whether Q is in its tile as it is in memory, from where rows that are done again may read it. */
static bool is_plain_query(const fi_spec *spec) {
  return spec->rope == FI_ROPE_NONE && !derived_converts_query(spec);
}

static void describe(const struct wgmma *wgmma, struct tile *tile) {
  const fi_spec *spec = wgmma->spec;
  tile->rows = wgmma->rows;
  tile->group_shares = 1;
  tile->heads = spec->group;
  tile->tokens = wgmma->rows / spec->group;
  tile->teams = 1;
  tile->team_tokens = wgmma->tokens;
  tile->stages = wgmma->stages;
  tile->token_bytes = (spec->head_dim + spec->v_dim) * derived_kv_bits(spec) / 8;
  tile_warpgroups_add(tile, spec, wgmma->division, wgmma->box_tokens, gathers(spec));
  tile->ctas_per_sm = ctas_per_sm(wgmma);
  tile_add(tile, "row_warps", wgmma->rows / 16, "warps that divide the rows");
  tile_add(tile, "value_warps", 1, "warps with the same rows");
  tile_add(tile, "turns", wgmma->division->consumers > 2, "1: consumers take turns at starting products");
  tile_add(tile, "query_tiles", wgmma->query_tiles, "tiles of Q: the next is brought while one is in use");
  tile_add(tile, "ordered_loads", 0, "1: matrix loads stay where they stand");
  tile_add(tile, "query_alone", has_query_warp(spec), QUERY_ALONE);
  tile_add(tile, "converts", is_converted(spec), CONVERTS);
  tile_narrow_add(tile, tile_narrow_serves(spec));
  const bool mixed_rows = tile_mixes_rows(tile, spec) && !dtype_of(spec->v_dtype)->whole;
  tile_add(tile, "mixed_rows", mixed_rows, "1: some row of a tile may not see a KV token of its item");
  tile_add(tile, "frees_query", !mixed_rows || is_plain_query(spec), FREES_QUERY);
  struct region regions[REGIONS];
  lay_out(wgmma, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* Steps begin at words of a mask. */
static uint32_t token_multiple(const struct wgmma *wgmma) {
  return wgmma->spec->mask_bits ? MASK_TOKENS : wgmma->products->token_step;
}

static const struct division *divide(const fi_spec *spec) {
  if (tile_rows_asked(spec) == WARPGROUP_ROWS)
    return &one_consumer;
  const bool wide = spec->head_dim > BUSY_MOST_DIM || spec->v_dim > BUSY_MOST_DIM;
  if (!has_boxes(spec) && !wide)
    return &busy;
  if (!has_boxes(spec))
    return is_converted(spec) ? &converting_wide : &gathering_wide;
  const bool small = spec->head_dim <= SMALL_DIM && spec->v_dim <= SMALL_DIM && spec->group <= SMALL_DIM;
  return small && !tile_narrow_serves(spec) ? &three_consumers : &two_consumers;
}

/*
 * The most KV tokens of a step. Where spans are short: of steps of one size that hold what a tile sees; where they
 * begin at boxes in front of it there may be one more. With a window of 128 an H200 takes 230 us by two steps of 80
 * tokens where two of 128 take 267.
 */
static uint32_t most_tokens(const struct wgmma *wgmma) {
  const uint32_t span = derived_span(wgmma->spec);
  const uint32_t multiple = token_multiple(wgmma);
  if (span >= LONG_SPAN)
    return wgmma->rows > WARPGROUP_ROWS ? MOST_TOKENS : FEW_ROWS_TOKENS;
  const uint32_t seen = span + wgmma->rows / wgmma->spec->group - 1;
  const uint32_t steps = (seen + MOST_TOKENS - 1) / MOST_TOKENS;
  const uint32_t tokens = ((seen + steps - 1) / steps + multiple - 1) / multiple * multiple;
  return tokens > wgmma->products->least_tokens ? tokens : wgmma->products->least_tokens;
}

/* The tiles that fit: as many KV tokens a step as there is room for, then fewer, which is what helps against spills. */
static bool plan(const fi_spec *spec, const struct products *products, const struct target *target, uint32_t *choice,
                 struct tile *tile) {
  if (spec->family == FI_FAMILY_AUTO && !pays(spec))
    return false;
  struct wgmma wgmma = {.spec = spec,
                        .products = products,
                        .division = divide(spec),
                        .qk_panels = panels_of(spec->head_dim, products),
                        .v_panels = panels_of(spec->v_dim, products)};
  wgmma.rows = WARPGROUP_ROWS * wgmma.division->consumers;
  for (uint32_t tokens = most_tokens(&wgmma); tokens >= products->least_tokens; tokens -= products->token_step) {
    if (tokens % token_multiple(&wgmma) > 0 || !make(&wgmma, target, tokens) || (*choice)-- > 0)
      continue;
    describe(&wgmma, tile);
    return true;
  }
  return false;
}

bool tile_plan_wgmma(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  return serves_16_bits(spec, target, LARGE_ROWS) && plan(spec, &of_16_bits, target, choice, tile);
}

bool tile_plan_few_rows(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  return serves_few_rows(spec, target) && plan(spec, &of_16_bits, target, choice, tile);
}

bool tile_plan_e4m3(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  return serves_e4m3(spec, target) && plan(spec, &of_e4m3, target, choice, tile);
}
