//@use ring/panels
//@use ptx/warpgroup

//# K and V of 8 bits come as they are stored, a tile of each at a time. Warps of the producers share the rows of a
//# tile, and make one of 16-bit elements of them in the ring. While K of a step is converted V of it is on its way, and
//# while V is, K of the next step.

u8 *stored_keys(u8 *shared) {
  return shared + kSharedStored;
}

u8 *stored_values(u8 *shared) {
  return stored_keys(shared) + kStoredBytes<kQkDim>;
}

/* Both are brought anew in each step. */
Place<1> stored_place(const Place<kStages> &place) {
  return {place.count};
}

//@if gathers
/* Starts the warp's copies of K of a step once there is room. */
void begin_keys(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  barrier_wait(&barriers.stored_keys_empty, stored_place(place).parity_before());
  gather_tile<kQkDim>(maps.attention.k, item, step, stored_keys(shared));
  barrier_arrive_copied(&barriers.stored_keys_full);
}

/* The same of V. */
void begin_values(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                  const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  barrier_wait(&barriers.stored_values_empty, stored_place(place).parity_before());
  gather_tile<kVDim>(maps.attention.v, item, step, stored_values(shared));
  barrier_arrive_copied(&barriers.stored_values_full);
}
//@else
/* A step of an item: where the lane's box is. */
struct Step {
  int token; /* the first */
  int place;
};

/* Asks for the box of the step whose first token is `token`. */
Step find_step(const fi_attention_args &args, const fi_item &item, int token) {
  return {token, place_of_box(args, item, token)};
}

/* Starts the copies of K of a step once there is room: one of the warps does. */
void begin_keys(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                const Place<kStages> &place, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Barriers &barriers = barriers_of(shared);
  const u32 to = shared_address(stored_keys(shared));
  const TileCopy copy = {maps.k, maps.k_part, maps.k_token, to, &barriers.stored_keys_full, item.kv_head};
  barrier_wait(&barriers.stored_keys_empty, stored_place(place).parity_before());
  copy_tile<kQkDim>(copy, item, box_of_step(item, step.token, step.place), step.token);
}

/* The same of V. */
void begin_values(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                  const Place<kStages> &place, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Barriers &barriers = barriers_of(shared);
  const u32 to = shared_address(stored_values(shared));
  const TileCopy copy = {maps.v, maps.v_part, maps.v_token, to, &barriers.stored_values_full, item.kv_head};
  barrier_wait(&barriers.stored_values_empty, stored_place(place).parity_before());
  copy_tile<kVDim>(copy, item, box_of_step(item, step.token, step.place), step.token);
}
//@end

/* Writes 16 elements as two chunks of a row, whose places differ in the lowest bit of their number. */
void write_converted(u8 *tile, u32 at, const uint4 &codes) {
  const uint2 pairs[4] = {convert_four(codes.x), convert_four(codes.y), convert_four(codes.z), convert_four(codes.w)};
  *(uint4 *)(tile + at) = make_uint4(pairs[0].x, pairs[0].y, pairs[1].x, pairs[1].y);
  *(uint4 *)(tile + (at ^ 16)) = make_uint4(pairs[2].x, pairs[2].y, pairs[3].x, pairs[3].y);
}

/*
 * Converts the warp's rows of a tile, in blocks of eight. Eight lanes have the same chunk of eight rows, which both
 * tiles have in eight banks. A panel of converted elements is half of a stored one. Chunks of all panels are loaded
 * before any is written, and of two blocks where panels are few. The warp that starts copies has the fewest blocks.
 */
template <u32 kDim> void convert_tile(u8 *tile, const u8 *stored) {
  constexpr u32 kWide = kPanels<kDim>;
  constexpr u32 kAtOnce = kWide > 2 ? 1 : 2; /* blocks */
  constexpr u32 kBlock = 8 * kPanelRow;
  constexpr u32 kPanel = kTeamTokens * kPanelRow;
  constexpr u32 kStride = kLoaderWarps * kBlock;
  const u32 lane = fresh_lane();
  const u32 row = lane % 8;
  const u32 from = panel_chunk<kTeamTokens>(row, lane / 8);
  const u32 to = panel_chunk<kTeamTokens>(row, lane / 8 * 2);
#pragma unroll 1
  for (u32 i = kLoaderWarp + kLoaderWarps - 1 - warp(); i < kTeamTokens / 8; i += kLoaderWarps * kAtOnce) {
    const bool both = kAtOnce > 1 && i + kLoaderWarps < kTeamTokens / 8;
    uint4 codes[kAtOnce * kWide];
#pragma unroll
    for (u32 n = 0; n < kAtOnce * kWide; n++) {
      const u32 panel = n % kWide;
      if (n < kWide || both)
        codes[n] = *(const uint4 *)(stored + panel / 2 * kPanel + i * kBlock + n / kWide * kStride +
                                    (from ^ panel % 2 * 64));
    }
#pragma unroll
    for (u32 n = 0; n < kAtOnce * kWide; n++)
      if (n < kWide || both)
        write_converted(tile + n % kWide * kPanel + i * kBlock + n / kWide * kStride, to, codes[n]);
  }
}

/* Products read what was written, and what was read is copied anew. */
void tell_of_tile(u64 *full, u64 *stored_empty) {
  shared_written();
  release(full);
  release(stored_empty);
}

/* Converts K of a step when it is there, and there is room. */
void convert_keys(const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 stage = place.number();
  barrier_wait(&barriers.stored_keys_full, stored_place(place).parity());
  barrier_wait(&barriers.keys_empty[stage], place.parity_before());
  convert_tile<kQkDim>(keys_of_stage(shared, stage), stored_keys(shared));
  tell_of_tile(&barriers.keys_full[stage], &barriers.stored_keys_empty);
}

/* The same of V. */
void convert_values(const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 stage = place.number();
  barrier_wait(&barriers.stored_values_full, stored_place(place).parity());
  barrier_wait(&barriers.values_empty[stage], place.parity_before());
  convert_tile<kVDim>(values_of_stage(shared, stage), stored_values(shared));
  tell_of_tile(&barriers.values_full[stage], &barriers.stored_values_empty);
}

/* Brings K and V of all items of the CTA, from `first` on. Where those of a step are is looked up a step ahead. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    Step step = find_step(maps.attention, item, first_of_steps(item.kv_begin));
    if (step.token < item.kv_end)
      begin_keys(maps, item, step, place, shared);
#pragma unroll 1
    while (step.token < item.kv_end) {
      const Step following = find_step(maps.attention, item, step.token + (int)kTeamTokens);
      begin_values(maps, item, step, place, shared);
      convert_keys(place, shared);
      place = place.next();
      if (following.token < item.kv_end)
        begin_keys(maps, item, following, place, shared);
      convert_values({place.count - 1}, shared);
      step = following;
    }
  } while (goes_on(at, shared));
}
