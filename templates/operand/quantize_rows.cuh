//@use ptx/types
//@use operand/convert
//@use query/{q_dtype}
//@use query/rope_{rope}
//@use work/kv_address
//@use work/scales

//# A warp converts a row of K or V as a whole: scales of tokens are found from all of it.

constexpr u32 kLongestRow = kQkDim > kVDim ? kQkDim : kVDim;

/* Reads the 8 elements of chunk `chunk` of a new row. */
void read_chunk(float (&values)[8], const u16 *row, u32 chunk) {
  unpack_chunk(values, *(const uint4 *)(row + chunk * 8), unpack_query);
}

//@if rotates_pairs
/* Takes unit `unit` of a new row of K, rotated. */
void take_key_unit(float *row, const u16 *from, u32 unit, const Rotation &by) {
  const auto load = [&](u32 dim) { return unpack_query(from[dim]).x; };
  const auto store = [&](float value, u32 dim) { row[dim] = value; };
  rotate_unit(unit, by, load, store);
}
//@else
/* Takes unit `unit` of a new row of K, rotated. */
void take_key_unit(float *row, const u16 *from, u32 unit, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) { read_chunk(values, from, chunk); };
  const auto store = [&](const float(&values)[8], u32 chunk) {
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      row[chunk * 8 + i] = values[i];
  };
  rotate_unit(unit, by, load, store);
}
//@end

/* Takes a new row of K, rotated, into shared memory. */
void take_key(float *row, const u16 *from, const Rotation &by) {
#pragma unroll 1
  for (u32 unit = lane(); unit < kRowUnits<kQkDim>; unit += 32)
    take_key_unit(row, from, unit, by);
  __syncwarp();
}

/* Takes a new row of V. */
void take_value(float *row, const u16 *from) {
#pragma unroll 1
  for (u32 dim = lane(); dim < kVDim; dim += 32)
    row[dim] = unpack_query(from[dim]).x;
  __syncwarp();
}

//@if q_dtype == bf16
constexpr float kLargestQuery = 0x1.fep127f;

float rounded_to_query(float value) {
  return unpack_query(pack_bf16(value, 0)).x;
}
//@else
constexpr float kLargestQuery = 65504;

float rounded_to_query(float value) {
  return unpack_query(pack_f16(value, 0)).x;
}
//@end

/* The largest magnitude of the lanes' values, as 16-bit elements have it: finite, and that of no NaN. */
float largest_of_lanes(float magnitude) {
#pragma unroll
  for (u32 step = 16; step > 0; step /= 2)
    magnitude = fmaxf(magnitude, __shfl_xor_sync(kAllLanes, magnitude, step));
  return fminf(rounded_to_query(fminf(magnitude, kLargestQuery)), kLargestQuery);
}

/* The place of a row in the cache. */
struct RowPlace {
  int place;
  int token;
  int head;
};

constexpr int kLargestCode = 127;

//@if token_scales
/* Finds the scale of a row of kDim elements, and writes it beside the cache; returns what an element is divided by. */
template <u32 kDim> float make_scale(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  float magnitude = 0;
#pragma unroll 1
  for (u32 dim = lane(); dim < kDim; dim += 32)
    magnitude = fmaxf(magnitude, fabsf(row[dim]));
  const float scale = largest_of_lanes(magnitude) / kLargestCode / kv.scale;
  if (lane() == 0)
    *token_scale(kv, at.place, at.token, at.head) = scale;
  return kv.scale * scale;
}
//@else
/* The scale of a row, which is there. */
template <u32 kDim> float make_scale(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  return kv.scale * scale_of(kv, at.head);
}
//@end

/* The nearest code; NaN is 0. */
u32 code_of(float value) {
  return (u32)max(-kLargestCode, min(kLargestCode, __float2int_rn(value))) & 0xff;
}

/* Writes a row of kDim elements, 4 a lane, and its scale. */
template <u32 kDim> void store_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  u32 *to = (u32 *)kv_row(kv, at.place, at.token, at.head);
  const float scale = make_scale<kDim>(kv, at, row);
#pragma unroll 1
  for (u32 word = lane(); word < kDim / 4; word += 32) {
    const float *from = row + word * 4;
    to[word] = code_of(from[0] / scale) | code_of(from[1] / scale) << 8 | code_of(from[2] / scale) << 16 |
               code_of(from[3] / scale) << 24;
  }
  __syncwarp();
}
