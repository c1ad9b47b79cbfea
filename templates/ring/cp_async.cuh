//@use work/kv_address
//@use ring/stages
//@use tile/teams
//@use ptx/memory
//@use tile_records

//# The ring is filled by cp.async: each warp copies rows of its team's tiles, a 16-byte chunk a lane.

constexpr u32 kWarpTokens = kTeamTokens / kTeamWarps; /* consecutive rows of the team's tile that a warp copies */
constexpr int kStepTokens = kTeams * kTeamTokens;     /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Words of an item over the lanes of a warp. */
u32 item_word(const fi_item &item) {
  return ((const u32 *)&item)[min(lane(), kItemWords - 1)];
}

/* A field of the item whose words are over the lanes. */
int field_of(u32 words, int fi_item::*field) {
  const fi_item *item = nullptr;
  return (int)__shfl_sync(kAllLanes, words, (u32)(u64)&(item->*field) / 4);
}

//@if page_size > 0
void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  loader.pages = pages_of(*args.plan.header, kv_base);
}
//@else
void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  loader.page = kv_base;
}
//@end

/* Goes on to the item whose words are in loader.ahead, and asks for the one after it. */
void take_item(kv_loader &loader, const fi_attention_args &args) {
  take_kv_base(loader, args, field_of(loader.ahead, &fi_item::kv_base));
  loader.kv_head = field_of(loader.ahead, &fi_item::kv_head);
  loader.token = field_of(loader.ahead, &fi_item::kv_begin);
  loader.kv_end = field_of(loader.ahead, &fi_item::kv_end);
  loader.next = field_of(loader.ahead, &fi_item::next);
  if (loader.next >= 0)
    loader.ahead = item_word(args.plan.items[loader.next]);
}

/* First token of the warp's rows in the next step. */
int warp_token(const kv_loader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

//@if page_size > 0
//@if one_page
/* The token whose page the lane looks up: the first, since one page has all rows of the warp. */
int token_of_lane(const kv_loader &loader) {
  return warp_token(loader);
}
//@else
/* The token whose page the lane looks up: that of its row. */
int token_of_lane(const kv_loader &loader) {
  return warp_token(loader) + (int)(lane() % kWarpTokens);
}
//@end

/* Looks up the page of the next step early, so that load_step need not wait. */
void look_up_page(kv_loader &loader) {
  const int token = token_of_lane(loader);
  if (token < loader.kv_end)
    loader.page = loader.pages[(u32)token / kPageSize];
}
//@else
/* There are no pages. */
void look_up_page(kv_loader &loader) {}
//@end

/* When an item has been loaded goes on to the next that has KV. */
void settle(kv_loader &loader, const fi_attention_args &args) {
  while (loader.token >= loader.kv_end && loader.next >= 0)
    take_item(loader, args);
  look_up_page(loader);
}

void open_loader(kv_loader &loader, const fi_attention_args &args, const fi_item &first) {
  loader.ahead = item_word(first);
  loader.page = 0;
  loader.stage = 0;
  take_item(loader, args);
  settle(loader, args);
}

/*
 * How a warp copies its rows of K or V, of kRowBytes: in passes of some rows at once, or in several turns of a row that
 * has more chunks than the warp has lanes.
 */
template <u32 kRowBytes> struct CopyShape {
  static constexpr u32 kChunks = kRowBytes / 16;
  static constexpr u32 kTurns = (kChunks + 31) / 32;
  static constexpr u32 kRowLanes = kChunks < 32 ? kChunks : 32;
  static constexpr u32 kPassRows = 32 / kRowLanes;
};

//@if one_page
/* Where the lane's chunks of K or V lie in the cache: in rows that are `stride` bytes from each other. */
struct RowPlaces {
  const u8 *first; /* of the first pass */
  long long stride;
};

/* For the lane's chunk `chunk` of row `place` of the first pass. */
RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader, u32 place, u32 chunk) {
  const long long stride = kv.token_stride * kKvBits / 8;
  const u8 *row = kv_row(kv, loader.page, warp_token(loader), loader.kv_head);
  return {row + place * stride + chunk * 16, stride};
}

/* Of the pass whose first row is `row`. */
const u8 *row_place(const RowPlaces &places, u32 row) {
  return places.first + row * places.stride;
}
//@else
/* Where the lane's chunks of K or V lie in the cache: each lane knows the place of one of the warp's rows. */
struct RowPlaces {
  const u8 *of_lane;
  u32 place;
  u32 chunk;
};

/* For the lane's chunk `chunk` of row `place` of the first pass. */
RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader, u32 place, u32 chunk) {
  const int token = warp_token(loader) + (int)(fresh_lane() % kWarpTokens);
  return {kv_row(kv, loader.page, token, loader.kv_head), place, chunk};
}

/* Of the pass whose first row is `row`. */
const u8 *row_place(const RowPlaces &places, u32 row) {
  return (const u8 *)__shfl_sync(kAllLanes, (u64)places.of_lane, row + places.place) + places.chunk * 16;
}
//@end

/* Starts the copies of the warp's rows of K or V into a tile of pitch kPitch; rows after the item's range are cleared. */
template <u32 kRowBytes, u32 kPitch> void copy_rows(const kv_loader &loader, const fi_kv_args &kv, const u8 *tile) {
  typedef CopyShape<kRowBytes> Shape;
  const u32 lane = fresh_lane();
  const u32 place = lane / Shape::kRowLanes;
  const u32 chunk = lane % Shape::kRowLanes;
  const u32 to = shared_address(tile);
  const RowPlaces places = row_places(kv, loader, place, chunk);
  const int token = warp_token(loader);
#pragma unroll
  for (u32 i = 0; i < kWarpTokens; i += Shape::kPassRows) {
    const u8 *from = row_place(places, i);
    const u32 row = i + place;
    if (place >= Shape::kPassRows || row >= kWarpTokens)
      continue;
#pragma unroll
    for (u32 turn = 0; turn < Shape::kTurns; turn++) {
      const u32 at = chunk_at<kPitch>(team_warp() * kWarpTokens + row, turn * 32 + chunk);
      if (turn * 32 + chunk < Shape::kChunks)
        copy_async(to + at, from + turn * 512, token + (int)row < loader.kv_end);
    }
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step after it. */
void load_step(kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_rows<kKeyRowBytes, kKeyPitch>(loader, args.k, keys_of(stage));
    copy_rows<kValueRowBytes, kValuePitch>(loader, args.v, values_of(stage));
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

//@if loader_shared
/* The thread's loader, in shared memory: O and the scores fill the registers. */
kv_loader &place_loader(kv_loader &own, u8 *shared) {
  return ((kv_loader *)(shared + kSharedLoaders))[threadIdx.x];
}
//@else
/* The thread's loader, in its registers. */
kv_loader &place_loader(kv_loader &own, u8 *shared) {
  return own;
}
//@end
