/* Requests of every kind that a kernel may meet, measured in its tile. */
#include "tests/matrix/batch_lengths.h"

enum {
  SPLIT_MULTIPLE = 256,
  LARGE_PAGE = 1056,     /* tokens */
  TEAMS_MERGE_PARTS = 8, /* partials that a merge joins at once in a kernel with teams (templates/tile/join.cuh) */
  MERGE_PARTS = 2,       /* and in one without */
  MOST_SHARERS = 18,
  FEWER_SHARERS = 8,    /* in a large tile */
  LEAST_DIVIDED = 1800, /* tokens of prefixes that are worth another kernel to few CTAs */
  FEW_TOKENS = 8,
  CHUNK_ROWS = 64,  /* more than one tile of 64 rows holds */
  PROMPT_ROWS = 512 /* four tiles of 128 */
};

enum request_kind {
  REQUEST_LONG,     /* more KV than the ring of stages holds */
  REQUEST_TILES,    /* more query tokens than a tile holds */
  REQUEST_SHORT,    /* less KV than a step */
  REQUEST_ONE_KV,   /* the query token sees itself only */
  REQUEST_NO_KV,    /* a result of zeros */
  REQUEST_NO_QUERY, /* nothing to do, and its KV is NaN */
  REQUEST_OVERHANG, /* more query tokens than KV: the first see nothing when causal */
  REQUEST_PREFIXED, /* a few tokens of its own after the prefix */
  REQUEST_PIECES,   /* more steps than partials are merged at once */
  REQUEST_SHARER,   /* several times as many as a prefix has that is shared, or fewer */
  REQUEST_FEW,      /* some query tokens at once, as drafts are */
  REQUEST_CHUNK,    /* part of a prompt */
  REQUEST_PROMPT    /* all of one */
};

static const struct recipe {
  uint32_t requests;
  enum request_kind kinds[MOST_REQUESTS];
} recipes[] = {
    [BATCH_MIXED] = {7,
                     {REQUEST_LONG, REQUEST_TILES, REQUEST_SHORT, REQUEST_ONE_KV, REQUEST_NO_KV, REQUEST_NO_QUERY,
                      REQUEST_OVERHANG}},
    [BATCH_SINGLE] = {4, {REQUEST_LONG, REQUEST_SHORT, REQUEST_ONE_KV, REQUEST_NO_KV}},
    [BATCH_SPLIT] = {2, {REQUEST_LONG, REQUEST_TILES}},
    [BATCH_SHARED] = {4, {REQUEST_TILES, REQUEST_NO_KV, REQUEST_NO_QUERY, REQUEST_OVERHANG}},
    [BATCH_DIVIDED] = {5, {REQUEST_TILES, REQUEST_NO_KV, REQUEST_NO_QUERY, REQUEST_FEW, REQUEST_CHUNK}},
    [BATCH_ONE_KEY] = {4, {REQUEST_ONE_KV, REQUEST_ONE_KV, REQUEST_ONE_KV, REQUEST_ONE_KV}},
    [BATCH_PIECES] = {2, {REQUEST_PIECES, REQUEST_SHORT}},
    [BATCH_ALONE] = {1, {REQUEST_PIECES}},
    [BATCH_ANY] = {7,
                   {REQUEST_LONG, REQUEST_LONG, REQUEST_FEW, REQUEST_CHUNK, REQUEST_PROMPT, REQUEST_NO_QUERY,
                    REQUEST_NO_KV}},
    [BATCH_PREFIX] = {3, {REQUEST_PREFIXED, REQUEST_PREFIXED, REQUEST_PREFIXED}},
};

static uint32_t common_multiple(uint32_t a, uint32_t b) {
  uint32_t multiple = a;
  while (multiple % b)
    multiple += a;
  return multiple;
}

/*
 * More than the ring of stages holds. In a batch that is split, more pieces than a merge joins at once: steps
 * with teams, fixed pieces without, since even shares cut large tiles into pieces of 16 steps and more.
 */
static uint32_t long_kv(const struct batch_case *batch, struct trial *trial) {
  const bool has_teams = batch->tile.teams > 1;
  const uint32_t step = tile_step_tokens(&batch->tile);
  const uint32_t split = batch->workspace.split_tokens;
  if (split > 0)
    return (has_teams ? 1 : MERGE_PARTS) * split + trial_between(trial, 1, split);
  const uint32_t steps = batch->kind == BATCH_SPLIT && has_teams ? TEAMS_MERGE_PARTS : batch->tile.stages;
  return steps * step + trial_between(trial, 1, 2 * step);
}

/* Of some requests the same. */
static uint32_t draw_shared_kv(const struct batch_case *batch, struct trial *trial) {
  if (batch->kind == BATCH_DIVIDED)
    return trial_between(trial, LEAST_DIVIDED, LEAST_DIVIDED + 2 * LEAST_SHARED);
  const uint32_t split = batch->workspace.split_tokens;
  const uint32_t step = tile_step_tokens(&batch->tile);
  const uint32_t unit = split ? split : step > LEAST_SHARED ? step : LEAST_SHARED;
  if (trial_chance(trial, 4))
    return 2 * unit + 1;
  return trial_between(trial, 2, (split ? 2 : 3) * unit);
}

static void draw_request(struct batch_case *batch, struct trial *trial, enum request_kind kind, uint32_t r) {
  const uint32_t step = tile_step_tokens(&batch->tile);
  uint32_t *q_len = &batch->q_len[r];
  uint32_t *kv_len = &batch->kv_len[r];
  *q_len = 1;
  switch (kind) {
  case REQUEST_LONG:
    *q_len = batch->kind == BATCH_SINGLE || batch->kind == BATCH_ANY ? 1 : trial_between(trial, 1, 2);
    *kv_len = long_kv(batch, trial);
    return;
  case REQUEST_TILES:
    *q_len = batch->tile.tokens + trial_between(trial, 1, 3);
    *kv_len = *q_len + trial_between(trial, 0, 2 * step);
    return;
  case REQUEST_SHORT:
    *kv_len = trial_between(trial, 2, step);
    return;
  case REQUEST_ONE_KV:
    *kv_len = 1;
    return;
  case REQUEST_NO_KV:
    *kv_len = 0;
    return;
  case REQUEST_NO_QUERY:
    *q_len = 0;
    *kv_len = trial_between(trial, 1, step);
    return;
  case REQUEST_OVERHANG:
    *q_len = 3;
    *kv_len = trial_between(trial, 1, 2);
    return;
  case REQUEST_PREFIXED:
    *q_len = trial_between(trial, 1, batch->tile.tokens / batch->requests);
    *kv_len = batch->prefix + *q_len + trial_between(trial, 0, step);
    return;
  case REQUEST_PIECES:
    *kv_len = trial_between(trial, PARTS_AT_ONCE + 1, (batch->kind == BATCH_ALONE ? 3 : 2) * PARTS_AT_ONCE) * step -
              trial_between(trial, 0, step - 1);
    return;
  case REQUEST_SHARER:
    *q_len = batch->kind == BATCH_DIVIDED && trial_chance(trial, 4) ? batch->tile.tokens + 1
             : batch->tile.tokens > 3 && trial_chance(trial, 4)     ? 2
                                                                    : 1;
    *kv_len = draw_shared_kv(batch, trial);
    return;
  case REQUEST_FEW:
    *q_len = FEW_TOKENS;
    *kv_len = long_kv(batch, trial);
    return;
  case REQUEST_CHUNK:
    *q_len = CHUNK_ROWS / batch->spec.group + trial_between(trial, 1, 3);
    *kv_len = *q_len + long_kv(batch, trial);
    return;
  case REQUEST_PROMPT:
    *q_len = PROMPT_ROWS / batch->spec.group + trial_between(trial, 1, 3);
    *kv_len = *q_len;
    return;
  }
}

/* Whole pages, and more than the ring of stages holds. */
static uint32_t draw_prefix(const struct batch_case *batch, struct trial *trial) {
  const uint32_t page_size = batch->spec.page_size;
  const uint32_t step = tile_step_tokens(&batch->tile);
  return (batch->tile.stages * step + trial_between(trial, 0, step)) / page_size * page_size + page_size;
}

/* A few more than fit a small tile. */
static uint32_t sharers_of(const struct batch_case *batch) {
  const uint32_t more = batch->tile.tokens + 2;
  if (batch->kind == BATCH_DIVIDED)
    return MOST_SHARERS;
  if (batch->kind != BATCH_SHARED)
    return 0;
  return more <= MOST_SHARERS ? more : FEWER_SHARERS;
}

static void draw_requests(struct batch_case *batch, struct trial *trial) {
  const struct recipe *recipe = &recipes[batch->kind];
  int32_t order[MOST_REQUESTS];
  batch->requests = recipe->requests + sharers_of(batch);
  random_permutation(&trial->random, order, batch->requests);
  if (batch->kind == BATCH_PREFIX)
    batch->prefix = draw_prefix(batch, trial);
  else if (batch->kind != BATCH_SINGLE && trial_chance(trial, 2))
    batch->first_token = trial_between(trial, 1, 5);
  batch->tokens = batch->first_token;
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t kind = (uint32_t)order[r];
    draw_request(batch, trial, kind < recipe->requests ? recipe->kinds[kind] : REQUEST_SHARER, r);
    batch->tokens += batch->q_len[r];
  }
}

static uint32_t longest_kv(const struct batch_case *batch) {
  uint32_t longest = 1;
  for (uint32_t r = 0; r < batch->requests; r++)
    longest = batch->kv_len[r] > longest ? batch->kv_len[r] : longest;
  return longest;
}

static bool has_pieces(const struct batch_case *batch) {
  return batch->kind == BATCH_PIECES || batch->kind == BATCH_ALONE;
}

static void draw_bounds(struct batch_case *batch, struct trial *trial) {
  fi_workspace *workspace = &batch->workspace;
  workspace->struct_size = sizeof *workspace;
  workspace->max_requests = batch->requests + trial_between(trial, 0, 3);
  workspace->max_tokens = batch->tokens + trial_between(trial, 0, 5);
  workspace->max_kv_len = longest_kv(batch) + trial_between(trial, 0, 100);
  workspace->kv_heads = batch->kv_heads;
  workspace->ctas = batch->kind == BATCH_SPLIT     ? trial_between(trial, 12, 40)
                    : has_pieces(batch)            ? trial_between(trial, 3 * PARTS_AT_ONCE, 4 * PARTS_AT_ONCE)
                    : batch->kind == BATCH_SHARED  ? trial_between(trial, 1, 30)
                    : batch->kind == BATCH_DIVIDED ? trial_between(trial, 1, 2)
                                                   : trial_between(trial, 0, 5);
}

/* Fewer for groups of many heads, where requests are long, and one where pages are large. */
static uint32_t draw_kv_heads(const struct batch_case *batch, struct trial *trial) {
  const uint32_t most = batch->spec.group < 16 ? 3 : 2;
  if (batch->spec.page_size > LARGE_PAGE || has_pieces(batch))
    return 1;
  return trial_between(trial, 1, batch->kind == BATCH_SPLIT || batch->kind == BATCH_SHARED ? most - 1 : most);
}

void batch_lengths_draw(struct batch_case *batch, struct trial *trial) {
  batch->kv_heads = draw_kv_heads(batch, trial);
  if ((batch->kind == BATCH_SPLIT || batch->kind == BATCH_SHARED) && trial_chance(trial, 2))
    batch->workspace.split_tokens = common_multiple(SPLIT_MULTIPLE, tile_step_tokens(&batch->tile));
  draw_requests(batch, trial);
  draw_bounds(batch, trial);
}
