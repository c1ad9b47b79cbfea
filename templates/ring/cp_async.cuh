//@use work/kv_address
//@use ring/stages
//@use tile/teams
//@use work/mask
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

/* First token of the warp's rows in the next step. */
int warp_token(const kv_loader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

//@if has_intervals
void take_kv_begin(kv_loader &loader, int kv_begin) {
  loader.kv_begin = kv_begin;
  loader.token = first_of_steps(kv_begin);
}

/* Which of the warp's rows in the next step are of the item. */
struct ValidRows {
  int begin;
  int end;

  bool has(u32 row) const {
    return (int)row >= begin && (int)row < end;
  }
};

ValidRows valid_rows(const kv_loader &loader) {
  return {loader.kv_begin - warp_token(loader), loader.kv_end - warp_token(loader)};
}
//@else
void take_kv_begin(kv_loader &loader, int kv_begin) {
  loader.token = kv_begin;
}

/* Which of the warp's rows in the next step are of the item. */
struct ValidRows {
  int end;

  bool has(u32 row) const {
    return (int)row < end;
  }
};

ValidRows valid_rows(const kv_loader &loader) {
  return {loader.kv_end - warp_token(loader)};
}
//@end

/* Goes on to the item whose words are in loader.ahead, and asks for the one after it. */
void take_item(kv_loader &loader, const fi_attention_args &args) {
  take_kv_base(loader, args, field_of(loader.ahead, &fi_item::kv_base));
  loader.kv_head = field_of(loader.ahead, &fi_item::kv_head);
  take_kv_begin(loader, field_of(loader.ahead, &fi_item::kv_begin));
  loader.kv_end = field_of(loader.ahead, &fi_item::kv_end);
  loader.next = field_of(loader.ahead, &fi_item::next);
  if (loader.next >= 0)
    loader.ahead = item_word(args.plan.items[loader.next]);
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
    loader.page = (int)((const PageId *)loader.pages)[(u32)token / kPageSize];
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
 * How a warp copies its rows of K or V, of kRowBytes: some rows at once, a chunk a lane, or in several turns a row that
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

template <u32 kRowLanes> RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader) {
  const u32 lane = fresh_lane();
  const long long stride = kv.token_stride * kKvBits / 8;
  const u8 *row = kv_row(kv, loader.page, warp_token(loader), loader.kv_head);
  return {row + lane / kRowLanes * stride + lane % kRowLanes * 16, stride};
}

/* The lane's chunk in the pass whose first row is `row`. */
template <u32 kRowLanes> const u8 *row_place(const RowPlaces &places, u32 row) {
  return places.first + row * places.stride;
}
//@else
/* Where the rows of K or V lie in the cache: each lane knows the place of one of the warp's. */
struct RowPlaces {
  const u8 *of_lane;
};

template <u32 kRowLanes> RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader) {
  const int token = warp_token(loader) + (int)(fresh_lane() % kWarpTokens);
  return {kv_row(kv, loader.page, token, loader.kv_head)};
}

/* The lane's chunk in the pass whose first row is `row`. */
template <u32 kRowLanes> const u8 *row_place(const RowPlaces &places, u32 row) {
  const u32 lane = fresh_lane();
  return (const u8 *)__shfl_sync(kAllLanes, (u64)places.of_lane, row + lane / kRowLanes) + lane % kRowLanes * 16;
}
//@end

/* Starts the lane's copies of the pass that begins with row `first`; rows that are not valid are cleared. */
template <u32 kRowBytes, u32 kPitch>
void copy_pass(const RowPlaces &places, u32 tile, u32 first, const ValidRows &valid) {
  typedef CopyShape<kRowBytes> Shape;
  if (first % Shape::kPassRows != 0)
    return;
  const u32 lane = fresh_lane();
  const u32 place = lane / Shape::kRowLanes;
  const u32 chunk = lane % Shape::kRowLanes;
  const u32 row = first + place;
  const u8 *from = row_place<Shape::kRowLanes>(places, first);
  if (place >= Shape::kPassRows || row >= kWarpTokens)
    return;
#pragma unroll
  for (u32 turn = 0; turn < Shape::kTurns; turn++) {
    const u32 at = chunk_at<kPitch>(team_warp() * kWarpTokens + row, turn * 32 + chunk);
    if (turn * 32 + chunk < Shape::kChunks)
      copy_async(tile + at, from + turn * 512, valid.has(row));
  }
}

/* Starts the warp's copies of a step of the item into a stage. What the loader tells is read before the first copy. */
void copy_step(const kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  const ValidRows valid = valid_rows(loader);
  const RowPlaces keys = row_places<CopyShape<kKeyRowBytes>::kRowLanes>(args.k, loader);
  const RowPlaces values = row_places<CopyShape<kValueRowBytes>::kRowLanes>(args.v, loader);
  const u32 tiles = shared_address(stage);
#pragma unroll
  for (u32 first = 0; first < kWarpTokens; first++) {
    copy_pass<kKeyRowBytes, kKeyPitch>(keys, tiles + kKeysAt, first, valid);
    copy_pass<kValueRowBytes, kValuePitch>(values, tiles + kValuesAt, first, valid);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step after it. */
void load_step(kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_step(loader, args, stage);
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
