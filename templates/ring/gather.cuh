//@use ring/panels
//@use work/item_ring
//@use work/kv_address
//@use work/mask
//@use ptx/warpgroup

//# Rows of K and V are copied one by one, wherever pages are: warps of the producer share the rows of a tile. Where
//# those of a step are is looked up a step ahead.

constexpr u32 kSlices = kTeamTokens / 32; /* a lane looks up one row of each */

/* What a lane finds its rows of a step by, of each slice one. */
struct StepPlace {
  int of[kSlices];
};

bool is_there(const fi_item &item, int token) {
  return token >= item.kv_begin && token < item.kv_end;
}

/* Asks for the places of the step whose first token is `token`. */
StepPlace find_step(const fi_attention_args &args, const fi_item &item, int token) {
  StepPlace step;
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int own = token + (int)(32 * s + lane());
    step.of[s] = is_there(item, own) ? kv_place(*args.plan.header, item.kv_base, own) : 0;
  }
  return step;
}

/*
 * Starts the warp's copies of rows of a tile: 8 lanes have a row's. Dims that are not there become 0, as do rows that
 * are not the item's.
 */
template <u32 kDim>
void gather_tile(const fi_kv_args &kv, const fi_item &item, const StepPlace &step, int token, const u8 *tile) {
  constexpr u32 kChunks = kDim * kKvBits / 8 / 16;
  const u32 chunk = lane() % 8;
  const u32 to = shared_address(tile);
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int own = token + (int)(32 * s + lane());
    const u32 there = __ballot_sync(kAllLanes, is_there(item, own));
    const u64 row = (u64)kv_row(kv, step.of[s], own, item.kv_head);
#pragma unroll 1
    for (u32 i = (warp() - kLoaderWarp) * 4; i < 32; i += kLoaderWarps * 4) {
      const u32 number = i + lane() / 8;
      const u8 *from = (const u8 *)__shfl_sync(kAllLanes, row, number) + chunk * 16;
      const u32 at = to + panel_chunk<kTeamTokens>(32 * s + number, chunk);
#pragma unroll
      for (u32 p = 0; p < kStoredPanels<kDim>; p++)
        copy_async(at + p * (kTeamTokens * kPanelRow), from + p * kPanelRow,
                   there >> number % 32 & 1 && chunk + p * 8 < kChunks);
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
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    StepPlace step = find_step(args, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const StepPlace following = find_step(args, item, token + (int)kTeamTokens);
      const u32 stage = place.number();
      barrier_wait(&barriers.keys_empty[stage], place.parity_before());
      gather_tile<kQkDim>(args.k, item, step, token, keys_of_stage(shared, stage));
      barrier_arrive_copied(&barriers.keys_full[stage]);
      barrier_wait(&barriers.values_empty[stage], place.parity_before());
      gather_tile<kVDim>(args.v, item, step, token, values_of_stage(shared, stage));
      barrier_arrive_copied(&barriers.values_full[stage]);
      place = place.next();
      step = following;
    }
  } while (goes_on(at, shared));
}
//@end
