//@use operand/quantize

//# Rows of 8-bit floating point go into the cache, beside V of another type.

/* Writes a row of kDim elements, 2 a lane. */
template <u32 kDim> void store_fp8_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  u16 *to = (u16 *)kv_row(kv, at.place, at.token, at.head);
  const float factor = fminf(1 / kv.scale, 3.40282347e38f);
#pragma unroll 1
  for (u32 pair = lane(); pair < kDim / 2; pair += 32)
    to[pair] = (u16)fp8_pair(row[2 * pair] * factor, row[2 * pair + 1] * factor);
  __syncwarp();
}
