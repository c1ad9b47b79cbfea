//# Rows of int8 go into the cache.

constexpr int kLargestCode = 127;

//@if token_scales
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

/* Finds the scale of a row of kDim elements, and writes it beside the cache; returns what an element is divided by. */
template <u32 kDim> float make_scale(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  float magnitude = 0;
#pragma unroll 1
  for (u32 dim = lane(); dim < kDim; dim += 32)
    magnitude = fmaxf(magnitude, fabsf(row[dim]));
  const float scale = largest_of_lanes(magnitude) / kLargestCode / kv.scale;
  if (lane() == 0)
    ((float *)kv.scales)[scale_index(kv, at.place, at.token, at.head)] = scale;
  return kv.scale * scale;
}
//@else
/* The scale of a row, which is there. */
template <u32 kDim> float make_scale(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  return kv.scale * scale_of(kv, at.head);
}
//@end

/* The nearest code; NaN is 0. */
u32 int8_code(float value) {
  return (u32)max(-kLargestCode, min(kLargestCode, __float2int_rn(value))) & 0xff;
}

/* Writes a row of kDim elements, 4 a lane, and its scale. */
template <u32 kDim> void store_int8_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  u32 *to = (u32 *)kv_row(kv, at.place, at.token, at.head);
  const float scale = make_scale<kDim>(kv, at, row);
#pragma unroll 1
  for (u32 word = lane(); word < kDim / 4; word += 32) {
    const float *from = row + word * 4;
    to[word] = int8_code(from[0] / scale) | int8_code(from[1] / scale) << 8 | int8_code(from[2] / scale) << 16 |
               int8_code(from[3] / scale) << 24;
  }
  __syncwarp();
}
