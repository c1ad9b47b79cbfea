//@use work/kv_address
//@use ring/tiles

constexpr u32 kRowChunks = kRowBytes / 16;
constexpr u32 kPassRows = 32 / kRowChunks;           /* rows that a warp copies at once, a chunk a lane */
constexpr u32 kWarpTokens = kTeamTokens / kRowWarps; /* consecutive rows of the team's tile that a warp copies */
constexpr int kStepTokens = kTeams * kTeamTokens;    /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Fills the team's ring, some steps ahead of the computation, running on from item to item. */
struct KvLoader {
  u32 stage;  /* of the next step to compute */
  int next;   /* the item behind the current one; -1: none */
  u32 ahead;  /* lane l: its word l, so that going on to it does not wait for memory */
//@if page_size > 0
  const int *pages; /* of the current item's request */
  int page;   /* of this lane's row of the next step */
//@else
  int page;   /* kv_base of the current item */
//@end
  int kv_head;
  int kv_end;
  int token;  /* first of the CTA's next step; none is left when it is not below kv_end */
};

/* Words of an item over the lanes of a warp. */
u32 item_word(const fi_item &item) {
  return ((const u32 *)&item)[min(lane(), kItemWords - 1)];
}

/* Goes on to the item whose words are in loader.ahead, and asks for the one behind it. */
void take_item(KvLoader &loader, const fi_attention_args &args) {
  const int kv_base = (int)__shfl_sync(kAllLanes, loader.ahead, 0);
//@if page_size > 0
  loader.pages = pages_of(*args.plan.header, kv_base);
//@else
  loader.page = kv_base;
//@end
  loader.kv_head = (int)__shfl_sync(kAllLanes, loader.ahead, 1);
  loader.token = (int)__shfl_sync(kAllLanes, loader.ahead, 2);
  loader.kv_end = (int)__shfl_sync(kAllLanes, loader.ahead, 3);
  loader.next = (int)__shfl_sync(kAllLanes, loader.ahead, kItemWords - 1);
  if (loader.next >= 0)
    loader.ahead = item_word(args.plan.items[loader.next]);
}

/* First token of the warp's rows in the next step. */
int warp_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

/* When an item has been loaded goes on to the next that has KV. */
void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.token >= loader.kv_end && loader.next >= 0)
    take_item(loader, args);
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

void open_loader(KvLoader &loader, const fi_attention_args &args, const fi_item &first) {
  loader.ahead = item_word(first);
  loader.page = 0;
  loader.stage = 0;
  take_item(loader, args);
  settle(loader, args);
}

/* Starts the copies of the warp's rows of K or V into a tile; rows after the item's range are cleared. */
void copy_rows(const KvLoader &loader, const fi_kv_args &kv, u32 tile) {
  const int token = warp_token(loader);
  const u32 lane = fresh_lane();
  const u32 place = lane / kRowChunks;
  const u32 chunk = lane % kRowChunks;
//@if page_size > 0 && page_size / (team_tokens / row_warps) * (team_tokens / row_warps) != page_size
  const u8 *own = kv_row(kv, loader.page, token + (int)(lane % kWarpTokens), loader.kv_head);
//@else
  const long long stride = kv.token_stride * kKvBytes;
  const u8 *first = kv_row(kv, loader.page, token, loader.kv_head) + place * stride + chunk * 16;
//@end
#pragma unroll
  for (u32 i = 0; i < kWarpTokens; i += kPassRows) {
    const u32 row = i + place;
//@if page_size > 0 && page_size / (team_tokens / row_warps) * (team_tokens / row_warps) != page_size
    const u8 *from = (const u8 *)__shfl_sync(kAllLanes, (long long)own, row) + chunk * 16;
//@else
    const u8 *from = first + i * stride;
//@end
    if (place >= kPassRows || row >= kWarpTokens)
      continue;
    copy_async(tile + kv_chunk(team_warp() * kWarpTokens + row, chunk), from, token + (int)row < loader.kv_end);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step behind it. */
void load_step(KvLoader &loader, const fi_attention_args &args, u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_rows(loader, args.k, shared_address(stage));
    copy_rows(loader, args.v, shared_address(stage) + kTileBytes);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}
