//@use operand/convert

//# Rows of int4 go into the cache, and the scales of their groups beside it.

/*
 * The scale of a group: its extreme over -8, so that of magnitudes one more is there than the codes of the other sign
 * have; of 7 significant bits, so that it is found again from what the group is worth as 16-bit elements, and that any
 * element times it is an f16 number. 8128 is the largest such.
 */
float int4_scale(float least, float most, float host_scale) {
  const float extreme = -least >= most ? least : most;
  const u32 bits = (__float_as_uint(extreme * -0.125f / host_scale) + 0x10000) & 0xfffe0000;
  const float scale = fmaxf(-8128, fminf(8128, __uint_as_float(bits)));
  return fabsf(scale) < 0x1p-14f ? 0x1p-14f : scale;
}

/* The nearest code; NaN is 0. */
u32 int4_code(float value) {
  return (u32)max(-8, min(7, __float2int_rn(value))) & 0xf;
}

/* Writes a row of kDim elements, 8 a lane, and its scales. */
template <u32 kDim> void store_int4_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  u32 *to = (u32 *)kv_row(kv, at.place, at.token, at.head);
  u16 *scales = (u16 *)kv.scales + scale_index(kv, at.place, at.token, at.head);
#pragma unroll 1
  for (u32 first = 0; first < kDim / 8; first += 32) {
    const u32 word = min(first + lane(), kDim / 8 - 1);
    const float *from = row + word * 8;
    float least = 0;
    float most = 0;
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
      least = fminf(least, from[i]);
      most = fmaxf(most, from[i]);
    }
#pragma unroll
    for (u32 step = 1; step < kScaleGroup / 8; step *= 2) {
      least = fminf(least, __shfl_xor_sync(kAllLanes, least, step));
      most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, step));
    }
    const float scale = int4_scale(fmaxf(least, -0x1.fffffep127f), fminf(most, 0x1.fffffep127f), kv.scale);
    u32 codes = 0;
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      codes |= int4_code(from[i] / (scale * kv.scale)) << 4 * i;
    if (first + lane() < kDim / 8)
      to[word] = codes;
    if (first + lane() < kDim / 8 && word % (kScaleGroup / 8) == 0)
      scales[word / (kScaleGroup / 8)] = (u16)pack_f16(scale, 0);
  }
  __syncwarp();
}
