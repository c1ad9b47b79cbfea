//@use types
//@use memory
//@use convert
//@emit mma
//@use kv_loader
//@use query
//@use score
//@if rope != none && rope_keys == unrotated
//@use rotate_keys
//@end
//@use softmax
//@use accumulate
//@if teams > 1
//@use publish_teams
//@else
//@use publish_rows
//@end
//@use merge_parts

/* A thread's walk through the plan. */
struct Walk {
  KvLoader loader;   /* what is loaded next */
  ItemCursor cursor; /* what is computed */
  int list;          /* thread 0: first of the units that this CTA must merge */
};

//@if walk_shared
static_assert(sizeof(Walk) <= 64, "room of a thread in shared memory");

//@end
/*
 * One CTA works through its share of the plan, item after item. Each team of warps has its own ring of KV stages, which
 * runs on from one item to the next: while a step is computed, the loads of the steps behind it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
  extern __shared__ __align__(1024) u8 shared[];
  u8 *query_tile = shared + kSharedQuery;
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  Range &range = ((Range *)(shared + kSharedRanges))[warp()];
  volatile int *flag = (volatile int *)(shared + kSharedFlag);
  u8 *rings = shared + kSharedRings;
  u8 *ring = rings + team() * kRingBytes;
//@if rope != none && rope_keys == unrotated
  u8 *rotated = shared + kSharedRotated + team() * (kTeamTokens * kWidePitch);
//@end

//@if walk_shared
  Walk &walk = ((Walk *)(shared + kSharedWalks))[threadIdx.x]; /* with O and the scores the registers are full */
//@else
  Walk walk;
//@end
  KvLoader &loader = walk.loader;
  ItemCursor &cursor = walk.cursor;
  open_loader(loader, args);
  cursor = loader.cursor;
  settle(loader, args);
  /* The first Q is asked for before its KV, which keeps the memory busy for a while; that fetches its rows too. */
  const fi_share &share = args.plan.shares[blockIdx.x];
  const fi_item &first = share.end != 0 ? share.first : args.plan.items[cursor.at];
//@if teams > 1
  QueryChunks chunks;
  if (cursor.end != 0)
    fetch_query(chunks, args, first);
//@else
  if (cursor.end != 0)
    copy_query(query_tile, args, first);
//@end
#pragma unroll 1
  for (u32 stage = 0; stage < kStages - 1; stage++)
    load_step(loader, args, shared_address(ring) + stage * kStageBytes);
  if (cursor.end != 0)
    stage_item(tiles[0], args, first);

  walk.list = -1;
  int last_unit = 0; /* of the last item */
  u32 stage = 0; /* of the next step to compute; the one before it is free */
//@if teams > 1
  for (u32 parity = 0; cursor.end != 0; parity ^= 1) {
    const ItemTile &tile = tiles[parity];
    store_query(query_tile, chunks);
//@else
  copy_wait<kStages - 2>();
  while (cursor.end != 0) {
    const ItemTile &tile = *tiles;
//@end
    __syncthreads();
//@if rope != none || (q_dtype == bf16) != (kv_dtype == bf16)
    transform_query(query_tile, tile);
//@end
    const fi_item &item = tile.item;
    Query query;
    load_query(query, query_tile);
    find_range(range, tile);
//@if kv_scale == none
    const float scale = args.scale_log2; /* turns a score into a base-2 logit */
//@end
//@if kv_scale == tensor
    const float scale = args.scale_log2 * args.k_scale[0]; /* turns a score into a base-2 logit */
//@end
//@if kv_scale == head
    const float scale = args.scale_log2 * args.k_scale[item.kv_head]; /* turns a score into a base-2 logit */
//@end
    RowState state = {};
#pragma unroll
    for (float &most : state.most)
      most = kMasked;
    const int offset = team() * kTeamTokens;
#pragma unroll 1
    for (int token = item.kv_begin + offset; token - offset < range.end; token += kStepTokens) {
      copy_wait<kStages - 2>();
      sync_team();
      load_step(loader, args, shared_address(ring) + (stage == 0 ? kStages - 1 : stage - 1) * kStageBytes);
      const u8 *keys = ring + stage * kStageBytes;
//@if rope != none && rope_keys == unrotated
      rotate_keys(rotated, keys, token);
//@end
      if (token < range.most) {
        Scores scores = {};
//@if rope != none && rope_keys == unrotated
        score(scores, query, shared_address(rotated));
//@else
        score(scores, query, shared_address(keys));
//@end
        if (token + (int)kTeamTokens > range.least)
          mask(scores, tile.rows, token);
        softmax(state, scores, scale);
        accumulate(state.o, scores, shared_address(keys) + kTileBytes);
      }
      stage = stage == kStages - 1 ? 0 : stage + 1;
    }
    close_rows(state, scale);
//@if teams > 1
    u8 *areas = rings + (stage == 0 ? kStages - 1 : stage - 1) * kStageBytes;
    publish(args, tile, state, areas, (TeamState *)(shared + kSharedState));
//@else
    publish(args, tile, state);
//@end
    if (item.part >= 0)
      arrive(args.plan, item, walk.list);
    last_unit = item.unit;
    next_item(cursor, args, loader.sections);
//@if teams == 1
    __syncthreads();
//@end
    if (cursor.end == 0)
      break; /* here, so that Q on its way need not be kept over the main loop */
    const fi_item &next = args.plan.items[cursor.at];
//@if teams > 1
    fetch_query(chunks, args, next);
    stage_item(tiles[parity ^ 1], args, next);
//@else
    copy_query(query_tile, args, next);
    stage_item(*tiles, args, next);
    copy_commit();
    copy_wait<0>();
//@end
  }
  merge_list(args, walk.list, last_unit, flag);
}
