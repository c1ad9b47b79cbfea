//# Q in its tile is rotated pair by pair.

/* Where element `dim` of a row of Q is in its tile. */
u16 &query_place(u8 *query, u32 row, u32 dim) {
  return *(u16 *)(query + query_offset(row, dim / 8) + dim % 8 * 2);
}

/* Turns pair `pair` of a row of the tile, whose elements are multiplied with a factor. */
void transform_unit(u8 *query, u32 row, u32 pair, float factor, const Rotation &by) {
  const auto load = [&](u32 dim) { return unpack_query(query_place(query, row, dim)).x * factor; };
  const auto store = [&](float value, u32 dim) { query_place(query, row, dim) = (u16)pack_compute(value, 0); };
  rotate_unit(pair, by, load, store);
}
