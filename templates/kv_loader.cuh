//@use items
//@use kv_address
//@use tiles

constexpr u32 kRowChunks = kRowBytes / 16;
constexpr u32 kWarpTokens = kTeamTokens / kRowWarps; /* consecutive rows of its team's tile that a warp copies */
constexpr u32 kWarpChunks = kWarpTokens * kRowChunks;
constexpr int kStepTokens = kTeams * kTeamTokens; /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

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
int warp_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

/* Takes the item whose word l % 8 is in lane l's loader.ahead, and fetches the one behind it. */
void take_item(KvLoader &loader, const fi_attention_args &args) {
  const int kv_base = (int)__shfl_sync(kAllLanes, loader.ahead, 0);
//@if page_size > 0
  loader.pages = pages_of(*args.plan.header, kv_base);
//@else
  loader.kv_base = kv_base;
//@end
  loader.kv_head = (int)__shfl_sync(kAllLanes, loader.ahead, 1);
  loader.token = (int)__shfl_sync(kAllLanes, loader.ahead, 2);
  loader.kv_end = (int)__shfl_sync(kAllLanes, loader.ahead, 3);
  if (loader.cursor.at + 1 < loader.cursor.end)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at + 1))[lane() % kItemWords];
}

void next_loader_item(KvLoader &loader, const fi_attention_args &args) {
  const bool fetched = loader.cursor.at + 1 < loader.cursor.end;
  next_item(loader.cursor, args, loader.sections);
  loader.kv_end = 0;
  if (loader.cursor.end == 0)
    return;
  if (!fetched)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[fresh_lane() % kItemWords];
  take_item(loader, args);
}

/* Goes to the next item that has KV when the current one has been loaded. */
void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.cursor.end != 0 && loader.token >= loader.kv_end)
    next_loader_item(loader, args);
//@if page_size > 0
//@if page_size / (team_tokens / row_warps) * (team_tokens / row_warps) == page_size
  const int token = warp_token(loader); /* one page for all rows, looked up early: load_step need not wait */
//@else
  const int token = warp_token(loader) + (int)(lane() % kWarpTokens); /* looked up early: load_step need not wait */
//@end
  if (token < loader.kv_end)
    loader.page = loader.pages[(u32)token / kPageSize];
//@end
}

/* Starts the copies of the warp's rows into a stage; rows behind the item's range are cleared. */
void copy_rows(const KvLoader &loader, const fi_attention_args &args, u32 stage) {
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
//@if page_size == 0 || page_size / (team_tokens / row_warps) * (team_tokens / row_warps) == page_size
  const long long row_stride = args.kv_token_stride * kKvBytes;
//@end
  const u32 to = stage + kv_chunk(team_warp() * kWarpTokens, 0);
  const u32 place = fresh_thread() % 32;
#pragma unroll
  for (u32 pass = 0; pass < (kWarpChunks + 31) / 32; pass++) {
//@if 32 / (head_dim * kv_bytes / 16) * (head_dim * kv_bytes / 16) == 32
    const u32 row = pass * (32 / kRowChunks) + place / kRowChunks;
    const u32 chunk = place % kRowChunks;
//@else
    const u32 row = (pass * 32 + place) / kRowChunks;
    const u32 chunk = (pass * 32 + place) % kRowChunks;
//@end
//@if page_size > 0 && page_size / (team_tokens / row_warps) * (team_tokens / row_warps) != page_size
    const long long offset = __shfl_sync(kAllLanes, lane_offset, row) + chunk * 16;
//@else
//@if 32 / (head_dim * kv_bytes / 16) * (head_dim * kv_bytes / 16) == 32
    const long long pass_offset = pass * (32 / kRowChunks * row_stride);
    const long long offset = first + place / kRowChunks * row_stride + pass_offset + chunk * 16;
//@else
    const long long offset = first + row * row_stride + chunk * 16;
//@end
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
void load_step(KvLoader &loader, const fi_attention_args &args, u32 stage) {
  if (loader.cursor.end != 0) {
    copy_rows(loader, args, stage);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/*
 * Opens the CTA's share of the plan. The first item comes with the share, so that loading starts one latency
 * earlier.
 */
void open_loader(KvLoader &loader, const fi_attention_args &args) {
  const fi_share &share = args.plan.shares[blockIdx.x];
  loader.cursor = {share.begin, share.end, 1};
  loader.sections = args.plan.header->sections;
  loader.ahead = ((const u32 *)&share.first)[lane() % kItemWords];
//@if page_size > 0
  loader.page = 0;
//@end
  if (share.end == 0) { /* the rest of it is undefined */
    loader.cursor.at = -1;
    next_item(loader.cursor, args, loader.sections);
    if (loader.cursor.end != 0)
      loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[lane() % kItemWords];
    else
      loader.ahead = 0;
  }
  take_item(loader, args);
}
