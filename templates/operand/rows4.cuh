//@use ring/stages

//# Rows of K of 4-bit elements in a stage.

/* The scale of a group of K, twice: that which has element `dim` of row `row` of a K tile. */
u32 key_scales(const u8 *keys, u32 row, u32 dim) {
  const u8 *at = keys - kKeysAt + kKeyScalesAt + row * kKeyScaleBytes + dim / kScaleGroup * kKeyScaleElement;
  return scale_pair(at, at);
}

/* The word of a row of a K tile that has 8 elements, chunk `chunk` of a row of 16-bit elements. */
u32 key_word(const u8 *keys, u32 row, u32 chunk) {
  return *(const u32 *)(keys + chunk_at<kKeyPitch>(row, chunk / 4) + chunk % 4 * 4);
}

/* The 8 elements of which chunk `chunk` of a row of 16-bit elements consists, of a K tile. */
void read_key_chunk(float (&values)[8], const u8 *keys, u32 row, u32 chunk) {
  const u32 word = key_word(keys, row, chunk);
  const u32 scales = key_scales(keys, row, chunk * 8);
#pragma unroll
  for (u32 p = 0; p < 4; p++) {
    const float2 pair = unpack_compute(scaled_pair(word, p, scales));
    values[p] = pair.x;
    values[p + 4] = pair.y;
  }
}
