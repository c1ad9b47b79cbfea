//@use ring/gather_rows
//@use work/item_ring
//@use work/kv_address
//@use work/mask
//@use ptx/warpgroup

//# Rows of K and V are copied one by one, wherever pages are. The warps that do share the rows of a tile, by blocks of
//# eight. Where the rows of a step are is looked up a step ahead, by a lane for each.

constexpr u32 kBlocks = kTeamTokens / 8;
constexpr u32 kOwnBlocks = (kBlocks + kLoaderWarps - 1) / kLoaderWarps; /* of a warp; the last may be beyond the tile */
constexpr u32 kSlices = (kOwnBlocks + 3) / 4;                           /* of four blocks: a lane has a row of each */

/* A step of an item: what the lane's rows are found by. */
struct Step {
  int token; /* the first of all */
  int places[kSlices];
};

/* The number of one of the warp's blocks in the tile. */
u32 block_of_tile(u32 own) {
  return own * kLoaderWarps + warp() - kLoaderWarp;
}

/* The row of the tile that is the lane's of a slice. */
u32 own_row(u32 slice) {
  return block_of_tile(4 * slice + lane() / 8) * 8 + lane() % 8;
}

bool is_there(const fi_item &item, int token) {
  return token >= item.kv_begin && token < item.kv_end;
}

/* Asks for the places of the step whose first token is `token`. */
Step find_step(const fi_attention_args &args, const fi_item &item, int token) {
  Step step = {token, {}};
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int own = token + (int)own_row(s);
    if (is_there(item, own))
      step.places[s] = kv_place(*args.plan.header, item.kv_base, own);
  }
  return step;
}

/* Starts the warp's copies of rows of a tile. */
template <u32 kDim>
void gather_tile(const fi_kv_args &kv, const fi_item &item, const Step &step, const u8 *tile) {
  constexpr u32 kCount = kStoredPanels<kDim>;
  constexpr u32 kChunks = kDim * kKvBits / 8 / 16;
  const u32 row = lane() / 8;
  const u32 chunk = lane() % 8;
  const u32 first = shared_address(tile) + block_of_tile(0) * (8 * kPanelRow);
  const u32 to = first + panel_chunk<kTeamTokens>(row, chunk);
  const u32 four_on = first + panel_chunk<kTeamTokens>(row + 4, chunk);
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int own = step.token + (int)own_row(s);
    const u32 there = __ballot_sync(kAllLanes, is_there(item, own)) >> row;
    const u8 *owned = kv_row(kv, step.places[s], own, item.kv_head);
#pragma unroll
    for (u32 i = 4 * s; i < 4 * s + 4 && i < kOwnBlocks; i++) {
      if ((i + 1) * kLoaderWarps > kBlocks && block_of_tile(i) >= kBlocks)
        continue;
      const u32 along = i * (kLoaderWarps * 8 * kPanelRow);
      const u32 owner = i % 4 * 8;
      gather_rows<kCount, kChunks>(owned, owner + row, there >> owner & 1, chunk, to + along);
      gather_rows<kCount, kChunks>(owned, owner + 4 + row, there >> (owner + 4) & 1, chunk, four_on + along);
    }
  }
}

//@if converts
//@use ring/convert
//@else
/* Brings K and V of all items of the CTA, from `first` on. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  const fi_attention_args &args = maps.attention;
  Barriers &barriers = barriers_of(shared);
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item item = *at.item;
    Step step = find_step(args, item, first_of_steps(item.kv_begin));
#pragma unroll 1
    while (step.token < item.kv_end) {
      const Step following = find_step(args, item, step.token + (int)kTeamTokens);
      const u32 stage = place.number();
      barrier_wait(&barriers.keys_empty[stage], place.parity_before());
      gather_tile<kQkDim>(args.k, item, step, keys_of_stage(shared, stage));
      barrier_arrive_copied(&barriers.keys_full[stage]);
      barrier_wait(&barriers.values_empty[stage], place.parity_before());
      gather_tile<kVDim>(args.v, item, step, values_of_stage(shared, stage));
      barrier_arrive_copied(&barriers.values_full[stage]);
      place = place.next();
      step = following;
    }
  } while (goes_on(at, shared));
}
//@end
