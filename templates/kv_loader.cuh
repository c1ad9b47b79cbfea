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
  int sections; /* of the plan */
  u32 ahead; /* lane l: word l % 8 of the next item, so that going on to it does not wait for memory */
//@if page_size > 0
  const int *pages; /* of the current item's request */
  int page;         /* of the row of the next step that this lane looks up */
//@else
  int kv_base; /* of the current item */
//@end
  int kv_head;
  int kv_end; /* 0: there is no more to load */
  int token;  /* first token of the next step to load */
};

/* First token of the warp's rows in the next step. */
__device__ __forceinline__ int warp_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Fetches the item behind the current one. */
__device__ __forceinline__ void fetch_ahead(KvLoader &loader, const fi_plan_arrays &plan) {
  if (loader.cursor.at + 1 < loader.cursor.end)
    loader.ahead = ((const u32 *)(plan.items + loader.cursor.at + 1))[lane() % kItemWords];
}

__device__ __forceinline__ void take_item(KvLoader &loader, const fi_plan_arrays &plan, int kv_base, int kv_head,
                                          int kv_begin, int kv_end) {
//@if page_size > 0
  loader.pages = pages_of(*plan.header, kv_base);
//@else
  loader.kv_base = kv_base;
//@end
  loader.kv_head = kv_head;
  loader.token = kv_begin;
  loader.kv_end = kv_end;
}

__device__ __forceinline__ void take_item(KvLoader &loader, const fi_plan_arrays &plan, const fi_item &item) {
  take_item(loader, plan, item.kv_base, item.kv_head, item.kv_begin, item.kv_end);
}

__device__ __forceinline__ void next_loader_item(KvLoader &loader, const fi_attention_args &args) {
  const bool fetched = loader.cursor.at + 1 < loader.cursor.end;
  next_item(loader.cursor, args.plan, args.ctas, loader.sections);
  loader.kv_end = 0;
  if (loader.cursor.end == 0)
    return;
  if (!fetched)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[lane() % kItemWords];
  int words[4]; /* kv_base, kv_head, kv_begin, kv_end */
#pragma unroll
  for (int i = 0; i < 4; i++)
    words[i] = (int)__shfl_sync(kAllLanes, loader.ahead, i);
  take_item(loader, args.plan, words[0], words[1], words[2], words[3]);
  fetch_ahead(loader, args.plan);
}

//@if page_size > 0
//@if page_size / (team_tokens / row_warps) * (team_tokens / row_warps) == page_size
/* Looks up the page of the warp's rows in the next step, which is one, early enough that load_step need not wait. */
__device__ __forceinline__ void fetch_page(KvLoader &loader) {
  const int token = warp_token(loader);
//@else
/* Looks up the page of row l % kWarpTokens of the warp in the next step, early enough that load_step need not wait. */
__device__ __forceinline__ void fetch_page(KvLoader &loader) {
  const int token = warp_token(loader) + (int)(lane() % kWarpTokens);
//@end
  if (token < loader.kv_end)
    loader.page = loader.pages[(u32)token / kPageSize];
}

//@end
/* Goes to the next item that has KV when the current one has been loaded. */
__device__ __forceinline__ void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.cursor.end != 0 && loader.token >= loader.kv_end)
    next_loader_item(loader, args);
//@if page_size > 0
  fetch_page(loader);
//@end
}

//@if 32 / (head_dim * kv_bytes / 16) * (head_dim * kv_bytes / 16) == 32
/* The row, of the warp's, and the chunk of it that this lane copies in pass `pass`; and where the row is. */
__device__ __forceinline__ u32 pass_row(u32 pass, u32 lane) {
  return pass * (32 / kRowChunks) + lane / kRowChunks;
}

__device__ __forceinline__ u32 pass_chunk(u32 pass, u32 lane) {
  return lane % kRowChunks;
}

__device__ __forceinline__ long long pass_offset(u32 pass, u32 lane, long long row_stride) {
  return lane / kRowChunks * row_stride + pass * (32 / kRowChunks * row_stride);
}
//@else
/* The row, of the warp's, and the chunk of it that this lane copies in pass `pass`; and where the row is. */
__device__ __forceinline__ u32 pass_row(u32 pass, u32 lane) {
  return (pass * 32 + lane) / kRowChunks;
}

__device__ __forceinline__ u32 pass_chunk(u32 pass, u32 lane) {
  return (pass * 32 + lane) % kRowChunks;
}

__device__ __forceinline__ long long pass_offset(u32 pass, u32 lane, long long row_stride) {
  return pass_row(pass, lane) * row_stride;
}
//@end

/* Starts the copies of the warp's rows into a stage; rows behind the item's range are cleared. */
__device__ __forceinline__ void copy_rows(const KvLoader &loader, const fi_attention_args &args, u32 stage) {
  const int token = warp_token(loader);
//@if page_size > 0 && page_size / (team_tokens / row_warps) * (team_tokens / row_warps) != page_size
  const long long lane_offset = kv_row_offset(args, loader.page, token + (int)(lane() % kWarpTokens), loader.kv_head);
//@else
//@if page_size > 0
  const long long first = kv_row_offset(args, loader.page, token, loader.kv_head);
//@else
  const long long first = kv_row_offset(args, loader.kv_base, token, loader.kv_head);
//@end
//@end
  const u32 to = stage + kv_chunk(team_warp() * kWarpTokens, 0);
  const u32 place = fresh_thread() % 32;
#pragma unroll
  for (u32 pass = 0; pass < (kWarpChunks + 31) / 32; pass++) {
    const u32 row = pass_row(pass, place);
    const u32 chunk = pass_chunk(pass, place);
//@if page_size > 0 && page_size / (team_tokens / row_warps) * (team_tokens / row_warps) != page_size
    const long long offset = __shfl_sync(kAllLanes, lane_offset, row) + chunk * 16;
//@else
    const long long offset = first + pass_offset(pass, place, args.kv_token_stride * kKvBytes) + chunk * 16;
//@end
    if (kWarpChunks % 32 != 0 && pass * 32 + place >= kWarpChunks)
      continue;
    const u8 *k = (const u8 *)args.k + offset;
    const u8 *v = (const u8 *)args.v + offset;
    const bool valid = token + (int)row < loader.kv_end;
    copy_async(to + kv_chunk(row, chunk), k, valid);
    copy_async(to + kTileBytes + kv_chunk(row, chunk), v, valid);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step behind it. */
__device__ __forceinline__ void load_step(KvLoader &loader, const fi_attention_args &args, u32 stage) {
  if (loader.cursor.end != 0) {
    copy_rows(loader, args, stage);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/* Opens the CTA's share of the plan. The first item comes with the share, so that loading starts one latency earlier. */
__device__ __forceinline__ void open_loader(KvLoader &loader, const fi_attention_args &args) {
  const fi_share &share = args.plan.shares[blockIdx.x];
  take_item(loader, args.plan, share.first);
  loader.cursor = {share.begin, share.end, 1};
  loader.sections = args.plan.header->sections;
//@if page_size > 0
  loader.page = 0;
//@end
  if (share.end == 0) { /* the rest of it is undefined */
    loader.cursor.at = 0;
    loader.token = 0;
    loader.kv_end = 0;
    enter_section(loader.cursor, args.plan, args.ctas, loader.sections);
    if (loader.cursor.end != 0)
      take_item(loader, args.plan, args.plan.items[loader.cursor.at]);
  }
  fetch_ahead(loader, args.plan);
}
