//@use work/kv_address
//@use ring/stages
//@use tile/teams
//@use ptx/memory
//@use tile_records

//# Copies of rows of 8-bit K and V, of which some end with half a 16-byte chunk: these are copied by 8 bytes, as they
//# need not be aligned to more. What is after them in the tile stays as it is.

/*
 * How a warp copies its rows of K or V, of kRowBytes: some rows at once, a unit a lane, or in several turns a row that
 * has more units than the warp has lanes.
 */
template <u32 kRowBytes> struct CopyShape {
  static constexpr u32 kUnitBytes = kRowBytes % 16 ? 8 : 16;
  static constexpr u32 kUnits = kRowBytes / kUnitBytes;
  static constexpr u32 kTurns = (kUnits + 31) / 32;
  static constexpr u32 kRowLanes = kUnits < 32 ? kUnits : 32;
  static constexpr u32 kPassRows = 32 / kRowLanes;
};

//@if one_page
/* Where the rows of K or V that the lane copies lie in the cache: `stride` bytes from each other. */
struct RowPlaces {
  const u8 *first; /* of the first pass */
  long long stride;
};

template <u32 kRowLanes> RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader) {
  const long long stride = kv.token_stride * kKvBits / 8;
  const u8 *row = kv_row(kv, loader.page, warp_token(loader), loader.kv_head);
  return {row + fresh_lane() / kRowLanes * stride, stride};
}

/* The lane's row in the pass whose first row is `row`. */
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

/* The lane's row in the pass whose first row is `row`. */
template <u32 kRowLanes> const u8 *row_place(const RowPlaces &places, u32 row) {
  return (const u8 *)__shfl_sync(kAllLanes, (u64)places.of_lane, row + fresh_lane() / kRowLanes);
}
//@end

/* Starts the copy of a unit of a row; if not valid, clears it. */
template <u32 kUnitBytes> void copy_unit(u32 to, const u8 *from, bool valid) {
  if constexpr (kUnitBytes == 8)
    copy_async_half(to, from, valid);
  else
    copy_async(to, from, valid);
}

/* Starts the lane's copy of the pass that begins with row `first`; rows that are not valid are cleared. */
template <u32 kRowBytes, u32 kPitch>
void copy_pass(const RowPlaces &places, u32 tile, u32 first, const ValidRows &valid) {
  typedef CopyShape<kRowBytes> Shape;
  if (first % Shape::kPassRows != 0)
    return;
  const u32 lane = fresh_lane();
  const u32 place = lane / Shape::kRowLanes;
  const u32 row = first + place;
  const u32 unit = lane % Shape::kRowLanes;
  const u8 *from = row_place<Shape::kRowLanes>(places, first);
  if (place >= Shape::kPassRows || row >= kWarpTokens)
    return;
#pragma unroll
  for (u32 turn = 0; turn < Shape::kTurns; turn++) {
    const u32 byte = (turn * 32 + unit) * Shape::kUnitBytes;
    const u32 at = chunk_at<kPitch>(team_warp() * kWarpTokens + row, byte / 16) + byte % 16;
    if (turn * 32 + unit < Shape::kUnits)
      copy_unit<Shape::kUnitBytes>(tile + at, from + byte, valid.has(row));
  }
}
