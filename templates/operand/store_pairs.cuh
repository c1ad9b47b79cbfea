//# New K goes into the cache pair by pair.

//@if kv_bits == 16
//@if kv_dtype == bf16
/* Writes an element of a cached row. */
void write_element(u8 *row, u32 dim, float value, float factor) {
  ((u16 *)row)[dim] = (u16)pack_bf16(value, 0);
}
//@else
/* Writes an element of a cached row. */
void write_element(u8 *row, u32 dim, float value, float factor) {
  ((u16 *)row)[dim] = (u16)pack_f16(value, 0);
}
//@end
//@else
/* Writes an element of a cached row. */
void write_element(u8 *row, u32 dim, float value, float factor) {
  row[dim] = (u8)fp8_pair(value * factor, 0);
}
//@end

/* Stores pair `pair` of a row of K, rotated. What is read is multiplied with the scale. */
void store_key_unit(u8 *to, const u16 *from, u32 pair, float scale, const Rotation &by) {
  const auto load = [&](u32 dim) { return unpack_query(from[dim]).x; };
  const auto store = [&](float value, u32 dim) { write_element(to, dim, value, store_factor(scale)); };
  rotate_unit(pair, by, load, store);
}
