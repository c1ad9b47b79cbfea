//@use ptx/types
//@use work/order
//@emit mma
//@use operand/{kv_dtype}
//@use ring/cp_async
//@use query/fetch
//@use query/transform
//@use query/rotate_keys
//@use tile/softmax
//@use tile/mask_scores
//@use tile/mask_bits
//@use tile/weigh_at_once
//@use tile/odd_rows
//@if teams > 1
//@use tile/publish_teams
//@else
//@use tile/publish_rows
//@end
//@use work/merge_units
//@use work/plan_id

//@if prefixes
/* No unit is to be merged yet. */
void clear_ready(Cta threads, int &ready) {
  if (threads.number() < kMergers)
    (&ready)[threads.number()] = -1;
}

/* Whether the warp has rows of an item: those of what a request has alone are few. */
bool has_rows(const fi_item &item) {
  return row_warp() * (16 * kRowBlocks) < item.row_count * kGroup;
}
//@else
/* No unit is to be merged yet. */
void clear_ready(Cta threads, int &ready) {
  if (threads.leads())
    ready = -1;
}

/* Whether the warp has rows of an item: its other rows are as good as any. */
bool has_rows(const fi_item &item) {
  return true;
}
//@end

//@if weight_exponent > 0
/* Scores of a step become weights, and O takes in their V. */
void add_step(RowState &state, Scores &scores, const fi_attention_args &args, const ItemTile &tile,
              const ScoreScale &scale, int token, bool unmasked, const MaskBits &bits, const u8 *values) {
  to_logits(scores, args, tile, scale, token);
  if (!unmasked)
    mask_step(scores, tile.rows, token, bits);
  Shrinks shrinks;
#pragma unroll
  for (float &factor : shrinks.factors)
    factor = 1;
  softmax(state, scores, shrinks, logit_scale(scale));
  accumulate(state.o, scores, shrinks, values);
}
//@else
/* Scores of a step become weights, and O takes in their V. */
void add_step(RowState &state, Scores &scores, const fi_attention_args &args, const ItemTile &tile,
              const ScoreScale &scale, int token, bool unmasked, const MaskBits &bits, const u8 *values) {
  if (weigh_at_once(state, scores, scale, args.cap_log2, unmasked))
    return accumulate(state.o, scores, values); /* for itself, beside the exponentials */
  to_logits(scores, args, tile, scale, token);
  if (!unmasked)
    mask_step(scores, tile.rows, token, bits);
  softmax(state, scores, state.o, logit_scale(scale), late_bits(bits));
  accumulate(state.o, scores, values);
}

/* Weights have no factor. */
void close_weights(RowState &state) {}
//@end

/*
 * The team's part of an item: step by step its KV is scored, masked, weighted and summed into the state. The stage
 * before that of the step is free, and takes the loads of a later one.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemTile &tile, kv_loader &loader, u8 *shared) {
  const ScoreScale scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
  const int offset = team() * kTeamTokens;
  const int begin = first_of_steps(tile.item.kv_begin) + offset;
  Query query;
  load_query(query, query_tile(shared));
  MaskWords words;
  fetch_words(words, mask_rows(args, tile), tile, begin);
#pragma unroll 1
  for (int token = begin; token - offset < tile.item.kv_end; token += kStepTokens) {
    const MaskRows rows_of_mask = mask_rows(args, tile); /* of the next step; there are no registers to keep it */
    copy_wait<kStages - 2>();
    team_threads().sync();
    load_step(loader, args, stage_of(shared, team(), stage_before(loader.stage)));
    const u8 *stage = stage_of(shared, team(), loader.stage);
    const u8 *keys = ready_keys(team_threads(), shared, keys_of(stage), args, tile.item, token);
    loader.stage = stage_after(loader.stage);
    const bool visible = all_visible(tile.item, token, kTeamTokens);
    const MaskBits bits = gather_bits(words, tile.rows, token, visible);
    const bool unmasked = all_seen(bits, visible);
    fetch_words(words, rows_of_mask, tile, token + kStepTokens);
    if (!has_rows(tile.item) || (!unmasked && !some_visible(tile.rows, token)))
      continue;
    Scores scores = {};
    score<kScorePitch>(scores, query, keys);
    add_step(state, scores, args, tile, scale, token, unmasked, bits, values_of(stage, keys));
  }
  note_odd_values(tile.item, state.o, shared);
  close_weights(state);
  close_rows(state, tile.rows);
}

/*
 * One CTA works through its items of the plan. Each team of warps has its own ring of KV stages, which runs on from
 * one item to the next: while a step is computed, the loads of the steps after it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
  if (begins_to_wait(args.order))
    return;
  extern __shared__ __align__(1024) u8 shared[];
  const Cta cta = {0, 0};
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  int &ready = *(int *)(shared + kSharedReady); /* first of the units that this CTA must merge, list by list */
  const fi_item *first = args.plan.first + blockIdx.x;
  if (is_idle(args, *first))
    return;
  kv_loader own;
  kv_loader &loader = place_loader(own, shared);
  open_loader(loader, args, *first);
  clear_ready(cta, ready);
  clear_odd_values(cta, shared);

  const fi_item *item = first;
  for (u32 number = 0;; number = (number + 1) % kItemTiles) {
    ItemTile &tile = tiles[number];
    QueryFetch fetch;
    begin_fetch(cta, fetch, query_tile(shared), args, *item);
    /* The first Q is asked for before its KV, which keeps the memory busy for a while. */
    for (u32 s = 0; item == first && s < kStages - 1; s++)
      load_step(loader, args, stage_of(shared, team(), s));
    stage_item(cta, tile, args, *item);
    end_fetch(cta, fetch, query_tile(shared));
    cta.sync();
    transform_query(cta, query_tile(shared), args, tile.rows);
    RowState state;
    open_rows(state);
    attend(state, args, tile, loader, shared);
    const ItemEnd end = item_end(tile.item);
    publish(cta, args, tile, state, shared, stage_before(loader.stage));
    /* With two tiles publish has a barrier. From here on the next item may take the place of this one. */
    if constexpr (kItemTiles == 1)
      cta.sync();
    redo_odd_rows(cta, args, tile, end, shared);
    if (end.is_partial)
      arrive(cta, args.plan, end.unit, end.unit_count, ready);
    if (end.next < 0)
      return merge_units(cta, args, end.is_partial ? end.unit : -1, ready);
    item = args.plan.items + end.next;
  }
}
