//@use ptx/types
//@if overlaps
//@use ptx/overlap
//@end
//@use ptx/memory
//@use operand/convert
//@emit mma
//@use ring/kv_loader
//@use query/query
//@use tile/score
//@if rope != none && rope_keys == unrotated
//@use query/rotate_keys
//@end
//@use tile/softmax
//@use tile/accumulate
//@if teams > 1
//@use tile/publish_teams
//@else
//@use tile/publish_rows
//@end
//@use work/merge_units

static_assert(kSharedItems + (kTeams > 1 ? 2 : 1) * sizeof(ItemTile) <= kSharedReady, "room for the tiles");
//@if loader_shared
static_assert(sizeof(KvLoader) <= 40, "room of a thread in shared memory");
//@end

/* Stage `stage` of a team's ring. */
u8 *stage_of(u8 *shared, u32 team, u32 stage) {
  return shared + kSharedRings + team * kRingBytes + stage * kStageBytes;
}

u32 previous_stage(u32 stage) {
  return stage == 0 ? kStages - 1 : stage - 1;
}

/*
 * The team's part of an item: step by step its KV is scored, masked, weighted and summed into the state. The stage
 * before that of the step is free, and takes the loads of a later one.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemTile &tile, KvLoader &loader, u8 *shared) {
//@if rope != none && rope_keys == unrotated
  u8 *rotated = shared + kSharedRotated + team() * (kTeamTokens * kWidePitch);
//@end
  const float scale = score_scale(args, tile.item.kv_head);
  const int offset = team() * kTeamTokens;
  Query query;
  load_query(query, shared + kSharedQuery);
#pragma unroll 1
  for (int token = tile.item.kv_begin + offset; token - offset < tile.item.kv_end; token += kStepTokens) {
    copy_wait<kStages - 2>();
    sync_team();
    load_step(loader, args, stage_of(shared, team(), previous_stage(loader.stage)));
    const u8 *keys = stage_of(shared, team(), loader.stage);
//@if rope != none && rope_keys == unrotated
    rotate_keys(rotated, keys, token);
//@end
    loader.stage = loader.stage == kStages - 1 ? 0 : loader.stage + 1;
    const bool common = token + (int)kTeamTokens <= tile.item.kv_common;
//@if row_warps > 1
    if (!common && !sees(tile.rows, token))
      continue;
//@end
    Scores scores = {};
//@if rope != none && rope_keys == unrotated
    score(scores, query, rotated);
//@else
    score(scores, query, keys);
//@end
    if (!common)
      mask(scores, tile.rows, token);
    softmax(state, scores, scale);
    accumulate(state.o, scores, keys + kTileBytes);
  }
  close_rows(state, scale);
}

/*
 * One CTA works through its items of the plan. Each team of warps has its own ring of KV stages, which runs on from
 * one item to the next: while a step is computed, the loads of the steps behind it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
//@if overlaps
  wait_for_stream();
//@end
  extern __shared__ __align__(1024) u8 shared[];
  u8 *query = shared + kSharedQuery;
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  int &ready = *(int *)(shared + kSharedReady); /* first of the units that this CTA must merge */
  const fi_item *first = args.plan.first + blockIdx.x;
//@if page_size > 0
  if ((first->row_count == 0) | (args.plan.header->tokens == 0)) /* both asked for at once, since both are needed */
    return;
//@else
  if (first->row_count == 0)
    return;
//@end
//@if loader_shared
  KvLoader &loader = ((KvLoader *)(shared + kSharedLoaders))[threadIdx.x]; /* O and the scores fill the registers */
//@else
  KvLoader loader;
//@end
  open_loader(loader, args, *first);
  if (threadIdx.x == 0)
    ready = -1;

  const fi_item *item = first;
//@if teams > 1
  for (u32 parity = 0;; parity ^= 1) {
    ItemTile &tile = tiles[parity];
    QueryChunks chunks;
    fetch_query(chunks, args, *item);
//@else
  ItemTile &tile = tiles[0];
  for (;;) {
    copy_query(query, args, *item);
    copy_commit();
//@end
    /* The first Q is asked for before its KV, which keeps the memory busy for a while. */
    for (u32 s = 0; item == first && s < kStages - 1; s++)
      load_step(loader, args, stage_of(shared, team(), s));
    stage_item(tile, args, *item);
//@if teams > 1
    store_query(query, chunks);
//@else
    copy_wait<0>();
//@end
    __syncthreads();
//@if rope != none || (q_dtype == bf16) != (kv_dtype == bf16)
    transform_query(query, tile);
//@end
    RowState state = {};
#pragma unroll
    for (float &most : state.most)
      most = kMasked;
    attend(state, args, tile, loader, shared);
//@if teams > 1
    u8 *areas = stage_of(shared, 0, previous_stage(loader.stage));
    publish(args, tile, state, areas, (TeamState *)(shared + kSharedState));
//@else
    publish(args, tile, state);
//@end
    if (tile.item.part >= 0)
      arrive(args.plan, tile.item, ready);
    if (tile.item.next < 0)
      return merge_units(args, tile.item.unit, ready);
    item = args.plan.items + tile.item.next;
//@if teams == 1
    __syncthreads();
//@end
  }
}
