//# K of a step is rotated pair by pair.

//@if kv_bits == 4
/* Element `dim` of a row of a K tile. */
float key_element(const u8 *keys, u32 row, u32 dim) {
  const u32 word = key_word(keys, row, dim / 8) >> dim % 8 * 4;
  return unpack_compute(scaled_pair(word, 0, key_scales(keys, row, dim))).x;
}
//@else
/* Element `dim` of a row of a K tile. */
float key_element(const u8 *keys, u32 row, u32 dim) {
  const u32 at = dim * kKvBits / 8;
  return stored_element(keys + chunk_at<kKeyPitch>(row, at / 16) + at % 16, 0);
}
//@end

/* Rotates pair `pair` of row `row` of a K tile into a tile of 16-bit rows. */
void rotate_key_unit(u8 *rotated, const u8 *keys, u32 row, u32 pair, const Rotation &by) {
  const auto load = [&](u32 dim) { return key_element(keys, row, dim); };
  const auto store = [&](float value, u32 dim) {
    *(u16 *)(rotated + chunk_at<kScorePitch>(row, dim / 8) + dim % 8 * 2) = (u16)pack_compute(value, 0);
  };
  rotate_unit(pair, by, load, store);
}
