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

//@if select > 0
//@use ring/selected
//@else
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

//@if select == 0
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

//@if half_chunks
//@use ring/copy_halves
//@else
//@use ring/copy_chunks
//@end

//@if copies_scales
//@use ring/copy_scales
//@end

//@if second_page > 0
//@use ring/copy_second
//@else
/* Where the rows of K, and of V, of the next step lie. */
template <u32 kRowLanes> RowPlaces key_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.k, loader);
}

template <u32 kRowLanes> RowPlaces value_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.v, loader);
}
//@end

//@if wide_dims > 0
/* Starts the warp's copies of a step of the item into a stage: of K, which has V in it, and of its wide dims. */
void copy_step(const kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  const ValidRows valid = valid_rows(loader);
  const RowPlaces keys = key_places<CopyShape<kKeyRowBytes>::kRowLanes>(args, loader);
  const RowPlaces wide = value_places<CopyShape<kWideRowBytes>::kRowLanes>(args, loader);
  const u32 tiles = shared_address(stage);
#pragma unroll
  for (u32 first = 0; first < kWarpTokens; first++) {
    copy_pass<kKeyRowBytes, kKeyPitch>(keys, tiles + kKeysAt, first, valid);
    copy_pass<kWideRowBytes, kWidePitch>(wide, tiles + kWideAt, first, valid);
  }
}
//@else
//@if v_source == keys
/* Starts the warp's copies of a step of the item into a stage: of K, which has V in it. */
void copy_step(const kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  const ValidRows valid = valid_rows(loader);
  const RowPlaces keys = key_places<CopyShape<kKeyRowBytes>::kRowLanes>(args, loader);
  const u32 tiles = shared_address(stage);
#pragma unroll
  for (u32 first = 0; first < kWarpTokens; first++)
    copy_pass<kKeyRowBytes, kKeyPitch>(keys, tiles + kKeysAt, first, valid);
}
//@else
/* Starts the warp's copies of a step of the item into a stage. What the loader tells is read before the first copy. */
void copy_step(const kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  const ValidRows valid = valid_rows(loader);
  const RowPlaces keys = key_places<CopyShape<kKeyRowBytes>::kRowLanes>(args, loader);
  const RowPlaces values = value_places<CopyShape<kValueRowBytes>::kRowLanes>(args, loader);
  const u32 tiles = shared_address(stage);
#pragma unroll
  for (u32 first = 0; first < kWarpTokens; first++) {
    copy_pass<kKeyRowBytes, kKeyPitch>(keys, tiles + kKeysAt, first, valid);
    copy_pass<kValueRowBytes, kValuePitch>(values, tiles + kValuesAt, first, valid);
  }
}
//@end
//@end

//@if copies_scales
/* Starts the copies of the next step into a stage of the team's ring and goes on to the step after it. */
void load_step(kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_step(loader, args, stage);
    copy_scales(loader, args, shared_address(stage), valid_rows(loader));
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}
//@else
/* Starts the copies of the next step into a stage of the team's ring and goes on to the step after it. */
void load_step(kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_step(loader, args, stage);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}
//@end

//@if select > 0
/* The thread's loader, in shared memory: it has a list's, too. */
kv_loader &place_loader(kv_loader &own, u8 *shared) {
  return *(kv_loader *)((PlacedLoader *)(shared + kSharedLoaders) + threadIdx.x);
}
//@else
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
//@end
