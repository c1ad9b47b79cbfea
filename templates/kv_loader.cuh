//@use items
//@use kv_address
//@use tiles

constexpr u32 kRowChunks = kRowBytes / 16;

/* A warp copies this many consecutive rows of its team's tile. */
constexpr u32 kWarpTokens = kTeamTokens / kRowWarps;

constexpr u32 kWarpChunks = kWarpTokens * kRowChunks;

/* KV tokens that the CTA takes in a step: team t has those from t * kTeamTokens. */
constexpr int kStepTokens = kTeams * kTeamTokens;

/* Fills the ring, some steps ahead of the computation, running on from item to item. */
struct KvLoader {
  ItemCursor cursor;
  u32 ahead;   /* lane l: word l % 8 of the next item, so that going on to it does not wait for memory */
  int kv_base; /* of the current item */
  int kv_head;
  int kv_end; /* 0: there is no more to load */
  int token;  /* first token of the next step to load */
//@if page_size > 0
  const int *page_table;
  long long page_table_stride;
  int page; /* lane l: the page of row l % kWarpTokens of this warp's part of the next step */
//@end
};

/* The token whose row this lane looks up: row l % kWarpTokens of the warp's part of the step. */
__device__ __forceinline__ int lane_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens + lane() % kWarpTokens);
}

constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Fetches the item behind the current one. */
__device__ __forceinline__ void fetch_ahead(KvLoader &loader, const fi_plan_arrays &plan) {
  if (loader.cursor.at + 1 < loader.cursor.end)
    loader.ahead = ((const u32 *)(plan.items + loader.cursor.at + 1))[lane() % kItemWords];
}

__device__ __forceinline__ void take_item(KvLoader &loader, const fi_item &item) {
  loader.kv_base = item.kv_base;
  loader.kv_head = item.kv_head;
  loader.token = item.kv_begin;
  loader.kv_end = item.kv_end;
}

__device__ __forceinline__ void next_loader_item(KvLoader &loader, const fi_attention_args &args) {
  const bool fetched = loader.cursor.at + 1 < loader.cursor.end;
  next_item(loader.cursor, args.plan, args.ctas);
  loader.kv_end = 0;
  if (loader.cursor.end == 0)
    return;
  if (!fetched)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[lane() % kItemWords];
  loader.kv_base = (int)__shfl_sync(kAllLanes, loader.ahead, 0);
  loader.kv_head = (int)__shfl_sync(kAllLanes, loader.ahead, 1);
  loader.token = (int)__shfl_sync(kAllLanes, loader.ahead, 2);
  loader.kv_end = (int)__shfl_sync(kAllLanes, loader.ahead, 3);
  fetch_ahead(loader, args.plan);
}

//@if page_size > 0
/* Looks up the pages of the next step, early enough that load_step need not wait for them. */
__device__ __forceinline__ void fetch_pages(KvLoader &loader) {
  const int token = lane_token(loader);
  if (token < loader.kv_end)
    loader.page = page_of(loader.page_table, loader.page_table_stride, loader.kv_base, token);
}

//@end
/* Goes to the next item that has KV when the current one has been loaded. */
__device__ __forceinline__ void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.cursor.end != 0 && loader.token >= loader.kv_end)
    next_loader_item(loader, args);
//@if page_size > 0
  fetch_pages(loader);
//@end
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step behind it. */
__device__ __forceinline__ void load_step(KvLoader &loader, const fi_attention_args &args, u32 stage) {
  if (loader.cursor.end != 0) {
    const int token = lane_token(loader);
//@if page_size > 0
    const long long offset = kv_row_offset(args, loader.page, token, loader.kv_head);
//@else
    const long long offset = kv_row_offset(args, loader.kv_base, token, loader.kv_head);
//@end
    const long long row_offset = token < loader.kv_end ? offset : -1;
#pragma unroll
    for (u32 i = 0; i < kWarpChunks; i += 32) {
      const u32 row = (i + lane()) / kRowChunks;
      const u32 chunk = (i + lane()) % kRowChunks;
      const long long from = __shfl_sync(kAllLanes, row_offset, row);
      const bool valid = from >= 0;
      const long long source = (valid ? from : 0) + chunk * 16;
      const u32 to = stage + kv_chunk(team_warp() * kWarpTokens + row, chunk);
      if (kWarpChunks % 32 == 0 || i + lane() < kWarpChunks) {
        copy_async(to, (const u8 *)args.k + source, valid);
        copy_async(to + kTileBytes, (const u8 *)args.v + source, valid);
      }
    }
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/* Opens the CTA's share of the plan. The first item comes with the share, so that loading starts one latency earlier. */
__device__ __forceinline__ void open_loader(KvLoader &loader, const fi_attention_args &args) {
//@if page_size > 0
  loader.page_table = args.plan.header->page_table;
  loader.page_table_stride = args.plan.header->page_table_stride;
  loader.page = 0;
//@end
  loader.cursor.section = 0;
  take_item(loader, args.plan.shares[blockIdx.x].first);
  enter_section(loader.cursor, args.plan, args.ctas);
  if (loader.cursor.section > 1 && loader.cursor.end != 0)
    take_item(loader, args.plan.items[loader.cursor.at]);
  fetch_ahead(loader, args.plan);
}
