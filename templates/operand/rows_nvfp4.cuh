//# Rows of nvfp4 go into the cache, and the scales of their groups beside it.

/* The bits of the scale of a group, of which the upper 12 are all: e4m3 has three bits of the mantissa. */
u32 nvfp4_scale(float magnitude, float host_scale) {
  const u32 bits = __float_as_uint(fmaxf(0x1p-6f, fminf(448, magnitude / 6 / host_scale)));
  return bits + 0x7ffff + (bits >> 20 & 1) & 0xfff00000;
}

/*
 * The nearest code of e2m1; NaN is 0. Adding the power of two whose last bit is the code's lets the addition round;
 * below 1 that bit stays where it is.
 */
u32 nvfp4_code(float value) {
  const u32 bits = __float_as_uint(value);
  const u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return 0;
  const float kept = fminf(6, __uint_as_float(magnitude));
  const u32 exponent = max(__float_as_uint(kept) >> 23, 127);
  const float last_bit = __uint_as_float(exponent + 22 << 23);
  const float rounded = __fadd_rn(__fadd_rn(kept, last_bit), -last_bit);
  return bits >> 31 << 3 | __float_as_uint(rounded * 0x1p-126f) >> 22;
}

/* Writes a row of kDim elements, 8 a lane, and its scales. */
template <u32 kDim> void store_nvfp4_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  u32 *to = (u32 *)kv_row(kv, at.place, at.token, at.head);
  u8 *scales = (u8 *)kv.scales + scale_index(kv, at.place, at.token, at.head);
#pragma unroll 1
  for (u32 first = 0; first < kDim / 8; first += 32) {
    const u32 word = min(first + lane(), kDim / 8 - 1);
    const float *from = row + word * 8;
    float magnitude = 0;
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      magnitude = fmaxf(magnitude, fabsf(from[i]));
    magnitude = fmaxf(magnitude, __shfl_xor_sync(kAllLanes, magnitude, 1));
    const u32 scale = nvfp4_scale(magnitude, kv.scale);
    const float unit = __uint_as_float(scale) * kv.scale;
    u32 codes = 0;
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      codes |= nvfp4_code(from[i] / unit) << 4 * i;
    if (first + lane() < kDim / 8)
      to[word] = codes;
    if (first + lane() < kDim / 8 && word % 2 == 0)
      scales[word / 2] = (u8)((scale >> 20) - (120 << 3));
  }
  __syncwarp();
}
