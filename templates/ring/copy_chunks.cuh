//@use work/kv_address
//@use ring/stages
//@use tile/teams
//@use ptx/memory
//@use tile_records

//# Copies of rows of K and V that are whole 16-byte chunks.

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

//@if reads_once
//@use ptx/memory_once
void copy_chunk(u32 to, const u8 *from, bool valid) {
  copy_async_once(to, from, valid);
}
//@else
void copy_chunk(u32 to, const u8 *from, bool valid) {
  copy_async(to, from, valid);
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
      copy_chunk(tile + at, from + turn * 512, valid.has(row));
  }
}
