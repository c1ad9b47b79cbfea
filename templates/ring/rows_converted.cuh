//# Rows of 8-bit elements are copied by cp.async to places of the thread's own, from where it takes them one tile
//# later, as elements of the type to compute in. Nobody else sees them before: no barrier is between the two.

/* Heads of converted elements are blocks of 16 dims: products take none beyond them. */
void clear_tails(u8 *shared) {}

/* The chunks of 16 elements of a slice of 32 rows, which the warps take in passes of some rows each. */
template <u32 kDim> constexpr u32 kRowChunks = kDim / 16;
template <u32 kDim> constexpr u32 kPassRows = 32 / kRowChunks<kDim>; /* of a warp */
template <u32 kDim> constexpr u32 kAllRows = kLoaderWarps * kPassRows<kDim>; /* of the warps together */
template <u32 kDim> constexpr u32 kPasses = (32 + kAllRows<kDim> - 1) / kAllRows<kDim>;

/* The row of a slice that the thread has a chunk of in a pass; 32 and more: none. */
template <u32 kDim> u32 row_of_pass(u32 pass) {
  const u32 number = lane() / kRowChunks<kDim>;
  return number < kPassRows<kDim> ? (pass * kLoaderWarps + warp() - kLoaderWarp) * kPassRows<kDim> + number : 32;
}

/* The thread's first place of a tile on its way; there are two, used in turn. */
u8 *places_of(u8 *shared, u32 tile) {
  return shared + kSharedStored + tile % 2 * kStoredBytes + (threadIdx.x - kLoaderWarp * 32) * 16;
}

/* From one of a thread's places to the next. */
constexpr u32 kPlaceStep = kLoaderWarps * 32 * 16;

/* Starts the thread's copies of a tile; rows that are not the item's become 0. */
template <u32 kDim> void start_copies(const fi_kv_args &kv, const Step &step, u8 *places) {
  const u32 to = shared_address(places);
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
#pragma unroll 2
    for (u32 pass = 0; pass < kPasses<kDim>; pass++) {
      const u32 row = row_of_pass<kDim>(pass);
      const int place = __shfl_sync(kAllLanes, step.places[s], row % 32);
      const int token = step.token + (int)(32 * s + row);
      const bool is_there = token >= step.begin && token < step.end;
      const u8 *from = kv_row(kv, place, is_there ? token : step.begin, step.head) + lane() % kRowChunks<kDim> * 16;
      if (row < 32)
        copy_async(to + (s * kPasses<kDim> + pass) * kPlaceStep, from, is_there);
    }
  }
}

/* Puts what the thread copied into a tile of K or V. */
template <u32 kDim> void convert_tile(u8 *tile, const u8 *places) {
#pragma unroll 1
  for (u32 s = 0; s < kSlices; s++) {
#pragma unroll 4
    for (u32 pass = 0; pass < kPasses<kDim>; pass++) {
      const u32 row = row_of_pass<kDim>(pass);
      const u32 chunk = lane() % kRowChunks<kDim> * 2;
      if (row >= 32)
        continue;
      const uint4 codes = *(const uint4 *)(places + (s * kPasses<kDim> + pass) * kPlaceStep);
      const uint2 pairs[4] = {convert_four(codes.x), convert_four(codes.y), convert_four(codes.z),
                              convert_four(codes.w)};
#pragma unroll
      for (u32 half = 0; half < 2; half++)
        *(uint4 *)(tile + panel_chunk<kTeamTokens>(32 * s + row, chunk + half)) =
            make_uint4(pairs[2 * half].x, pairs[2 * half].y, pairs[2 * half + 1].x, pairs[2 * half + 1].y);
    }
  }
}

/*
 * How far a thread is: where the next tiles of K and V go, how many it has begun, whether the last one is on its way,
 * and which it is of.
 */
struct Progress {
  Place<kStages> keys;
  Place<kStages> values;
  u32 tiles;
  bool is_under_way;
  bool last_is_keys;
};

/* Ends the copies of the tile before, which becomes what the consumers take as soon as there is room. */
template <int kPending> void end_copies(Progress &progress, Barriers &barriers, u8 *shared) {
  copy_wait<kPending>();
  if (!progress.is_under_way)
    return;
  progress.is_under_way = false;
  const u8 *places = places_of(shared, progress.tiles - 1);
  const Place<kStages> keys = {progress.keys.count - 1};
  const Place<kStages> values = {progress.values.count - 1};
  if (progress.last_is_keys) {
    barrier_wait(&barriers.keys_empty[keys.number()], keys.parity_before());
    convert_tile<kQkDim>(keys_of_stage(shared, keys.number()), places);
  } else {
    barrier_wait(&barriers.values_empty[values.number()], values.parity_before());
    convert_tile<kVDim>(values_of_stage(shared, values.number()), places);
  }
  shared_written();
  barrier_arrive(progress.last_is_keys ? &barriers.keys_full[keys.number()] : &barriers.values_full[values.number()]);
}

/* Begins a tile of K, or of V. */
void begin_keys(Progress &progress, const fi_attention_args &args, const Step &step, Barriers &barriers, u8 *shared) {
  start_copies<kQkDim>(args.k, step, places_of(shared, progress.tiles));
  copy_commit();
  end_copies<1>(progress, barriers, shared);
  progress = {progress.keys.next(), progress.values, progress.tiles + 1, true, true};
}

void begin_values(Progress &progress, const fi_attention_args &args, const Step &step, Barriers &barriers,
                  u8 *shared) {
  start_copies<kVDim>(args.v, step, places_of(shared, progress.tiles));
  copy_commit();
  end_copies<1>(progress, barriers, shared);
  progress = {progress.keys, progress.values.next(), progress.tiles + 1, true, false};
}
