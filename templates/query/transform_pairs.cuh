//# Q in its tile is rotated pair by pair.

/* Where element `dim` of a row of Q is in its tile. */
u16 &query_place(u8 *query, u32 row, u32 dim) {
  return *(u16 *)(query + chunk_at<kQueryPitch>(row, dim / 8) + dim % 8 * 2);
}

/* Turns the tile from what was fetched into what the fragments need: rotated, and of the type to compute in. */
void transform_query(Cta threads, u8 *query, const fi_attention_args &args, ItemTile &tile) {
  find_query_scales(threads, query, tile);
#pragma unroll 1
  for (u32 i = threads.number(); i < kRows * kRowUnits<kQkDim>; i += kThreads) {
    const u32 row = i / kRowUnits<kQkDim>;
    const float factor = query_factor(tile.rows[row]);
    const auto load = [&](u32 dim) { return unpack_query(query_place(query, row, dim)).x * factor; };
    const auto store = [&](float value, u32 dim) { query_place(query, row, dim) = (u16)pack_compute(value, 0); };
    rotate_unit(i % kRowUnits<kQkDim>, rotation_to(args.rope, query_position(args, tile.rows[row])), load, store);
  }
  threads.sync();
}
