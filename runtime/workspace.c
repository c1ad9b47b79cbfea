/*
 * The layout of a plan's device memory. The header and the rows come first, where only max_tokens decides: an
 * append kernel reads them in a workspace that was planned for an attention kernel of any tile.
 */
#include "runtime/workspace.h"

#include "generator/derived.h"
#include "generator/error.h"
#include "generator/family.h"

#include <stdbool.h>

enum {
  SPLIT_MULTIPLE = 256,
  LARGE_TILE_SECTIONS = 4,
  LARGE_TILE_UNIT_STEPS = 2,  /* what it costs to bring a large tile's Q and to write its O, .. */
  SHARED_UNIT_STEPS = 1,      /* .. and by wgmma where prefixes are shared, as measured (tests/perf/LOG.md) */
  LARGE_TILE_LEAST_PIECE = 8, /* steps from a unit's end; a partial costs about two to write and to merge */
  SHARE_STEPS = 4,            /* that are read about as fast as a partial is written and merged, .. */
  SHARE_BYTES = 128 << 10,    /* .. if they are no more than this of KV */
  SECTION_BYTES = 24 << 20,   /* of KV, about half of an L2 */
  LINE_BYTES = 128,           /* that a copy brings into L2 */
  LEAST_SHARED = 128,         /* tokens of a prefix: about what it costs to write and merge one partial result more */
  SEARCH_ARRAYS = 13,         /* of templates/plan/prefix_search.cuh: by request, and .. */
  KEPT_ARRAYS = 4,            /* .. those of prefix_order.cuh, which stay when the tree takes the place of the others */
  SEARCH_TABLE = 64,          /* its smallest table */
  MOST_THREADS = 1024         /* of a CTA */
};

/* Whose contents a plan makes, and what matters during a launch only. */
enum memory { PLAN_MEMORY, SCRATCH, MEMORIES };

struct part {
  size_t count;   /* offset in struct workspace_counts */
  size_t address; /* offset in struct workspace_arrays */
  enum memory memory;
  uint32_t element; /* bytes */
  bool row_of_o;    /* an element is a row of v_dim of these */
};

#define PART(array, count_field, memory, element, row_of_o)                                                            \
  {                                                                                                                    \
    offsetof(struct workspace_counts, count_field), offsetof(struct workspace_arrays, array), memory, element,         \
        row_of_o                                                                                                       \
  }

static const struct part parts[] = {
    PART(plan.header, header, PLAN_MEMORY, sizeof(struct fi_plan_header), false),
    PART(plan.rows, rows, PLAN_MEMORY, sizeof(struct fi_row), false),
    PART(plan.seen, seen, PLAN_MEMORY, sizeof(struct fi_interval), false),
    PART(plan.row_bits, row_bits, PLAN_MEMORY, sizeof(unsigned *), false),
    PART(plan.requests, requests, PLAN_MEMORY, sizeof(int), false),
    PART(checked, checked, PLAN_MEMORY, sizeof(int), false),
    PART(second_checked, second_checked, PLAN_MEMORY, sizeof(int), false),
    PART(tile_begin, tile_begins, PLAN_MEMORY, sizeof(int), false),
    PART(step_begin, step_begins, PLAN_MEMORY, sizeof(int), false),
    PART(plan.first, first, PLAN_MEMORY, sizeof(struct fi_item), false),
    PART(plan.items, items, PLAN_MEMORY, sizeof(struct fi_item), false),
    PART(plan.queue, queue, PLAN_MEMORY, sizeof(struct fi_queue), false),
    PART(plan.units, merges, PLAN_MEMORY, sizeof(struct fi_unit), false),
    PART(plan.arrivals, merges, PLAN_MEMORY, sizeof(unsigned), false),
    PART(plan.part_o, partial_rows, SCRATCH, sizeof(float), true),
    PART(plan.part_ml, partial_rows, SCRATCH, 2 * sizeof(float), false),
    PART(plan.group_ml, partial_rows, SCRATCH, 2 * sizeof(float), false),
    PART(ranks, ranks, SCRATCH, sizeof(unsigned), false),
};

/* -------------------------------------------------------------------------------- bounds */

/* Tokens that a query token sees at most beside those of its list, which are of a second KV: a window is all, where
 * nothing after the query token is seen. */
static uint32_t most_beside(const fi_spec *spec, const fi_workspace *bounds) {
  const bool is_bounded = spec->window_left && spec->mask == FI_MASK_CAUSAL && !spec->ranges;
  const uint32_t window = is_bounded ? spec->window_left : UINT32_MAX;
  if (!spec->second_page)
    return 0;
  return window < bounds->max_kv_len ? window : bounds->max_kv_len;
}

/* Lists are bounds of kernels that have such. */
static fi_status check_lists(const fi_kernel *kernel, const fi_workspace *bounds) {
  const uint32_t select = kernel->spec.select;
  const uint32_t most = select > 0 ? (INT32_MAX - most_beside(&kernel->spec, bounds)) / select : 0;
  if (select == 0 || (bounds->max_selected > 0 && bounds->max_selected <= most))
    return FI_OK;
  if (most == 0)
    return error_set(FI_ERROR_ARGUMENT, "workspace.max_kv_len is %u; with select=%u that leaves no room for a list",
                     bounds->max_kv_len, select);
  return error_set(FI_ERROR_ARGUMENT, "workspace.max_selected is %u; with select=%u it must be 1 to %u",
                   bounds->max_selected, select, most);
}

static fi_status check_least(const fi_workspace *bounds) {
  const struct {
    const char *name;
    uint32_t value;
  } fields[] = {
      {"max_requests", bounds->max_requests},
      {"max_tokens", bounds->max_tokens},
      {"max_kv_len", bounds->max_kv_len},
      {"kv_heads", bounds->kv_heads},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].value == 0 || fields[i].value > INT32_MAX)
      return error_set(FI_ERROR_ARGUMENT, "workspace.%s is %u; it must be 1 to %d", fields[i].name, fields[i].value,
                       INT32_MAX);
  }
  if (bounds->max_q_len > INT32_MAX)
    return error_set(FI_ERROR_ARGUMENT, "workspace.max_q_len is %u; it must be 0 to %d", bounds->max_q_len, INT32_MAX);
  return FI_OK;
}

fi_status workspace_check_split(const fi_kernel *kernel, const fi_workspace *bounds) {
  if (kernel->spec.op != FI_OP_ATTENTION || bounds->split_tokens == 0)
    return FI_OK;
  if (bounds->split_tokens % SPLIT_MULTIPLE || bounds->split_tokens > INT32_MAX)
    return error_set(FI_ERROR_ARGUMENT, "workspace.split_tokens is %u; it must be a multiple of %d",
                     bounds->split_tokens, SPLIT_MULTIPLE);
  const uint32_t step = kernel->tile.start_tokens;
  if (bounds->split_tokens % step)
    return error_set(FI_ERROR_ARGUMENT, "workspace.split_tokens is %u; this kernel needs a multiple of %u",
                     bounds->split_tokens, step);
  return FI_OK;
}

fi_status workspace_check_bounds(const fi_kernel *kernel, const fi_workspace *bounds) {
  fi_status status = check_least(bounds);
  if (!status)
    status = check_lists(kernel, bounds);
  if (!status && (uint64_t)bounds->kv_heads * kernel->spec.group > INT32_MAX)
    status = error_set(FI_ERROR_ARGUMENT, "workspace.kv_heads is %u; with group=%u that is more than %d query heads",
                       bounds->kv_heads, kernel->spec.group, INT32_MAX);
  return status;
}

/* -------------------------------------------------------------------------------- counts */

uint32_t workspace_heads(const fi_kernel *kernel, const fi_workspace *bounds) {
  return bounds->kv_heads * kernel->tile.group_shares;
}

static uint64_t divide_up(uint64_t value, uint64_t by) {
  return (value + by - 1) / by;
}

static uint32_t least(uint64_t a, uint64_t b) {
  return (uint32_t)(a < b ? a : b);
}

/* KV tokens that an item's range is one of at most. */
static uint32_t longest_range(const fi_kernel *kernel, const fi_workspace *bounds) {
  const uint32_t select = kernel->spec.select;
  return select > 0 ? bounds->max_selected * select + most_beside(&kernel->spec, bounds) : bounds->max_kv_len;
}

static bool cuts_large_tiles(const fi_kernel *kernel, const fi_workspace *bounds) {
  return kernel->tile.rows >= LARGE_TILE_ROWS && !bounds->split_tokens;
}

/* What a unit costs besides its KV, in steps. */
static uint32_t unit_steps(const fi_kernel *kernel, const fi_workspace *bounds) {
  if (!cuts_large_tiles(kernel, bounds))
    return 0;
  return kernel->spec.prefixes && kernel->tile.family->claims ? SHARED_UNIT_STEPS : LARGE_TILE_UNIT_STEPS;
}

/* Steps of a share at least, in small batches. A fixed split is what it says. */
static uint32_t share_steps(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t step_tokens) {
  const uint64_t steps = bounds->split_tokens ? 1 : SHARE_BYTES / ((uint64_t)step_tokens * kernel->tile.token_bytes);
  return steps < 1 ? 1 : steps < SHARE_STEPS ? (uint32_t)steps : SHARE_STEPS;
}

/* Steps whose KV stays in L2. */
static uint32_t section_steps(const fi_kernel *kernel, uint32_t step_tokens) {
  const uint64_t steps = SECTION_BYTES / ((uint64_t)step_tokens * kernel->tile.token_bytes);
  return steps ? (uint32_t)steps : 1;
}

static fi_status check_count(const char *what, uint64_t count, const fi_workspace *bounds) {
  if (count <= INT32_MAX)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "workspace bounds max_requests=%u max_tokens=%u max_kv_len=%u kv_heads=%u ctas=%u split_tokens=%u "
                   "make more than %d %s",
                   bounds->max_requests, bounds->max_tokens, bounds->max_kv_len, bounds->kv_heads, bounds->ctas,
                   bounds->split_tokens, INT32_MAX, what);
}

/*
 * Numbers that the plan kernel needs to find shared prefixes (room_for_search and tree_of in templates/plan/). The
 * table has up to four for each request. What is told takes no more than the tree does. `tiles` there are at most.
 */
static uint64_t search_room(const fi_spec *spec, const fi_workspace *bounds, uint64_t tiles, uint32_t kernels) {
  const uint64_t requests = bounds->max_requests + 1ull;
  const uint64_t search = (SEARCH_ARRAYS - KEPT_ARRAYS) * requests + 4 * requests + SEARCH_TABLE;
  const uint64_t tree = 3 * requests + 3 * tiles + 1 + kernels * (2 * tiles + 1);
  return KEPT_ARRAYS * requests + (search > tree && !derived_tells_prefixes(spec) ? search : tree);
}

/*
 * Prefixes are shared where two requests fit a tile and shared memory has room to find them; they end between steps.
 * `cuts` are those of all kernels.
 */
static uint32_t share_of_steps(const fi_kernel *kernel, const fi_workspace *bounds, uint64_t cuts, uint32_t kernels,
                               uint32_t step_tokens, struct workspace_layout *layout) {
  const uint64_t room = kernel->plan->tile.shared_bytes / sizeof(int);
  const uint64_t needed = cuts + search_room(&kernel->spec, bounds, layout->max_tiles, kernels);
  if (!kernel->spec.prefixes || kernel->tile.tokens < 2 || needed > room)
    return 0;
  if (layout->plan_shared < needed * sizeof(int))
    layout->plan_shared = (uint32_t)(needed * sizeof(int));
  return (uint32_t)divide_up(LEAST_SHARED, step_tokens) * step_tokens;
}

/*
 * The plan kernel keeps the cuts between CTAs in shared memory, and a number for each request and each tile as well if
 * there is room; else these are in the workspace.
 */
static fi_status find_plan_room(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  const uint64_t room = kernel->plan->tile.shared_bytes / sizeof(int);
  const uint64_t cuts = layout->ctas + 1ull;
  const uint64_t line = (uint64_t)bounds->max_requests + layout->max_tiles + 2;
  if (cuts > room)
    return error_set(FI_ERROR_ARGUMENT, "workspace.ctas is %u; it must be 0 to %llu", layout->ctas,
                     (unsigned long long)room - 1);
  const bool fits = cuts + line <= room;
  layout->plan_shared = (uint32_t)((fits ? cuts + line : cuts) * sizeof(int));
  layout->counts.tile_begins = fits ? 0 : bounds->max_requests + 1ull;
  layout->counts.step_begins = fits ? 0 : layout->max_tiles + 1ull;
  return FI_OK;
}

/* The steps of all units, and what these cost besides. Where prefixes are shared a tile may be two units. */
static uint64_t most_steps(const fi_kernel *kernel, const fi_workspace *bounds, const struct workspace_layout *layout) {
  const uint32_t besides = kernel->spec.prefixes ? 2 * LARGE_TILE_UNIT_STEPS : LARGE_TILE_UNIT_STEPS;
  return layout->counts.units * (divide_up(longest_range(kernel, bounds), layout->step_tokens) + besides);
}

/*
 * Steps are counted in 31 bits: those of a batch that has more are of several steps of a CTA. A fixed split has the
 * steps that it says.
 */
static fi_status find_step(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  layout->start_tokens = kernel->tile.start_tokens;
  layout->step_tokens = bounds->split_tokens ? bounds->split_tokens : tile_step_tokens(&kernel->tile);
  uint64_t steps = most_steps(kernel, bounds, layout);
  if (bounds->split_tokens)
    return check_count("pieces (work units x KV pieces)", steps, bounds);
  while (steps > INT32_MAX && layout->step_tokens <= INT32_MAX / 2) {
    layout->step_tokens *= 2;
    steps = most_steps(kernel, bounds, layout);
  }
  return check_count("steps (work units x KV steps)", steps, bounds);
}

/*
 * Even shares: each CTA cuts at most two units in a section, where its share begins and where it ends; a group of
 * partials has the number of its first. With shared prefixes a tile may be two units, and requests that share one have
 * partials of all pieces. Pieces: each is a partial of its own, and sharing makes them fewer.
 */
static void count_partials(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  struct workspace_counts *counts = &layout->counts;
  const uint64_t shares = (uint64_t)layout->ctas * layout->max_sections;
  counts->first = layout->ctas;
  if (bounds->split_tokens) {
    const uint64_t pieces = counts->units * divide_up(longest_range(kernel, bounds), bounds->split_tokens);
    counts->items = pieces + layout->ctas;
    counts->merges = counts->units;
    counts->partial_rows = pieces * kernel->tile.rows;
  } else {
    const uint64_t units = layout->share_tokens ? 2 * counts->units : counts->units;
    const uint64_t heads = workspace_heads(kernel, bounds);
    const uint64_t shared = layout->share_tokens ? bounds->max_requests * heads + layout->ctas : 0;
    counts->items = units + shares;
    counts->merges = counts->units + 2 * shares;
    counts->partial_rows = (2 * shares + shared) * kernel->tile.rows;
  }
}

/*
 * Whether heads share lines of KV, or the sectors of its scales. What is read of one head at another time than of those
 * beside it comes from memory more than once. So does what tiles read that divide the query heads of one.
 */
static bool shares_lines(const fi_spec *spec) {
  const uint32_t key_bytes = derived_code_dims(spec) * derived_kv_bits(spec) / 8;
  return key_bytes < LINE_BYTES || derived_key_scale_bytes(spec) + derived_value_scale_bytes(spec) > 0;
}

static fi_status check_counts(const struct workspace_counts *counts, const fi_workspace *bounds) {
  fi_status status = check_count("work items", counts->items, bounds);
  if (!status)
    status = check_count("merges", counts->merges, bounds);
  return status ? status : check_count("rows of partial results", counts->partial_rows, bounds);
}

static fi_status count_attention(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  struct workspace_counts *counts = &layout->counts;
  const uint64_t request_tiles = (uint64_t)bounds->max_requests + bounds->max_tokens / kernel->tile.tokens;
  layout->max_tiles = least(bounds->max_tokens, request_tiles);
  counts->units = (uint64_t)layout->max_tiles * workspace_heads(kernel, bounds);
  fi_status status = check_count("work units (tiles x KV heads)", counts->units, bounds);
  if (!status)
    status = find_plan_room(kernel, bounds, layout);
  if (!status)
    status = find_step(kernel, bounds, layout);
  if (status)
    return status;
  layout->share_tokens = share_of_steps(kernel, bounds, layout->ctas + 1ull, 1, layout->step_tokens, layout);
  counts->queue = kernel->tile.family->claims;
  const bool shares_kv = kernel->spec.select == 0; /* tiles of lists have little in common */
  layout->max_sections = cuts_large_tiles(kernel, bounds) && shares_kv ? LARGE_TILE_SECTIONS : 1;
  layout->heads_apart = layout->max_sections > 1 || kernel->tile.group_shares > 1 || shares_lines(&kernel->spec);
  layout->merges_together = kernel->tile.family->merges_together && bounds->split_tokens == 0;
  layout->unit_steps = unit_steps(kernel, bounds);
  layout->share_steps = share_steps(kernel, bounds, layout->step_tokens);
  layout->least_piece = cuts_large_tiles(kernel, bounds) ? LARGE_TILE_LEAST_PIECE : 1;
  layout->section_steps = section_steps(kernel, layout->step_tokens);
  count_partials(kernel, bounds, layout);
  return check_counts(counts, bounds);
}

/* The least multiple of both. */
static uint32_t common_step(uint32_t a, uint32_t b) {
  uint32_t step = a;
  while (step % b)
    step += a;
  return step;
}

/* In the last kernel's memory come its own units and partials, with those of both, then what the first has alone. */
fi_status workspace_join(const fi_kernel *first, const fi_kernel *last, const fi_workspace *bounds,
                         struct workspace_layout *of_first, struct workspace_layout *of_last) {
  struct workspace_counts *counts = &of_last->counts;
  const uint64_t cuts = of_first->ctas + of_last->ctas + 2ull;
  of_last->share_tokens =
      share_of_steps(last, bounds, cuts, 2, common_step(of_first->step_tokens, of_last->step_tokens), of_last);
  of_first->share_tokens = 0;
  count_partials(first, bounds, of_first);
  count_partials(last, bounds, of_last);
  of_first->share_tokens = of_last->share_tokens;
  if (of_last->share_tokens)
    counts->partial_rows += (uint64_t)of_first->ctas * last->tile.rows;
  of_first->first_unit = counts->merges;
  of_first->first_part = counts->partial_rows;
  counts->merges += of_first->counts.merges;
  counts->partial_rows += of_first->counts.partial_rows;
  of_first->counts.items += of_first->counts.units;
  of_first->counts.merges = 0;
  of_first->counts.partial_rows = 0;
  const fi_status status = check_counts(&of_first->counts, bounds);
  return status ? status : check_counts(counts, bounds);
}

/* Threads of a CTA count entries of all lists of a query token and head of the keys, and end beyond the last one. */
static fi_status check_made_lists(uint32_t lists, const fi_workspace *bounds) {
  const uint32_t most = (INT32_MAX - MOST_THREADS) / lists;
  if (bounds->max_selected <= most)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "workspace.max_selected is %u; with %u lists of a query token and KV head it must be at most %u",
                   bounds->max_selected, lists, most);
}

/* Ranks of all blocks, for each list of a CTA's query token. */
static fi_status count_indexer(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  const uint32_t lists = kernel->spec.scores == FI_SCORES_HEADS ? kernel->spec.group : 1;
  const uint64_t made = (uint64_t)layout->ctas * lists;
  layout->max_blocks = (uint32_t)divide_up(bounds->max_kv_len, kernel->spec.select);
  fi_status status = check_made_lists(lists, bounds);
  if (!status)
    status = check_count("lists (CTAs x lists)", made, bounds);
  layout->counts.ranks = made * layout->max_blocks;
  return status ? status : check_count("ranks (CTAs x lists x blocks)", layout->counts.ranks, bounds);
}

/* -------------------------------------------------------------------------------- layout */

/* Every count fits 31 bits and an element 11, so nothing overflows. */
static void place_parts(const fi_kernel *kernel, const fi_workspace *bounds, struct workspace_layout *layout) {
  const uintptr_t bases[MEMORIES] = {(uintptr_t)bounds->memory, (uintptr_t)bounds->scratch};
  uint64_t *const bytes[MEMORIES] = {&layout->bytes, &layout->scratch_bytes};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const struct part *part = &parts[i];
    const uint64_t count = *(const uint64_t *)(const void *)((const char *)&layout->counts + part->count);
    const uint64_t element = (uint64_t)part->element * (part->row_of_o ? kernel->spec.v_dim : 1);
    void **address = (void **)(void *)((char *)&layout->arrays + part->address);
    *address = (void *)(bases[part->memory] + *bytes[part->memory]);
    *bytes[part->memory] += divide_up(count * element, WORKSPACE_ALIGNMENT) * WORKSPACE_ALIGNMENT;
  }
}

uint32_t workspace_id(const uint32_t *words, size_t count) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < count; i++)
    hash = (hash ^ words[i]) * 1099511628211u;
  return (uint32_t)(hash >> 32) | 1;
}

/* What a plan must have been made for, so that a launch may use it. */
static void identify(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t plans,
                     struct workspace_layout *layout) {
  const fi_spec *spec = &kernel->spec;
  const uint32_t words[] = {
      spec->index,
      spec->page_size,
      spec->page_ids,
      bounds->max_tokens,
      bounds->max_kv_len,
      spec->op,
      spec->group,
      spec->mask,
      kernel->tile.rows,
      layout->ctas,
      layout->start_tokens,
      bounds->max_requests,
      bounds->split_tokens,
      bounds->kv_heads,
      spec->kv_start,
      spec->window_left,
      spec->window_right,
      spec->chunk,
      spec->ranges,
      layout->step_tokens,
      spec->mask_bits,
      spec->snippet,
      kernel->tile.group_shares,
      spec->select,
      spec->select ? bounds->max_selected : 0,
      layout->share_tokens,
      kernel->tile.family->claims,
      plans,
      kernel->tile.family->merges_together,
      spec->second_page,
  };
  enum { WORDS_OF_ROWS = 5 };
  layout->rows_id = workspace_id(words, WORDS_OF_ROWS);
  layout->id = workspace_id(words, sizeof words / sizeof *words);
}

fi_status workspace_count(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t ctas,
                          struct workspace_layout *layout) {
  *layout = (struct workspace_layout){
      .counts = {.header = 1,
                 .rows = bounds->max_tokens,
                 .seen = derived_plans_intervals(&kernel->spec) ? bounds->max_tokens : 0,
                 .row_bits = kernel->spec.mask_bits ? bounds->max_tokens : 0,
                 .requests = kernel->spec.snippet ? bounds->max_tokens : 0,
                 .checked = kernel->spec.page_size ? bounds->max_requests : 0,
                 .second_checked = kernel->spec.second_page ? bounds->max_requests : 0},
      .ctas = ctas,
      .max_tiles = bounds->max_tokens,
      .step_tokens = 1,
      .start_tokens = 1,
  };
  if (kernel->spec.op == FI_OP_ATTENTION)
    return count_attention(kernel, bounds, layout);
  return kernel->spec.op == FI_OP_INDEXER ? count_indexer(kernel, bounds, layout) : FI_OK;
}

void workspace_lay_out(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t plans,
                       struct workspace_layout *layout) {
  place_parts(kernel, bounds, layout);
  identify(kernel, bounds, plans, layout);
}
