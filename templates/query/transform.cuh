//@use query/tile
//@use work/item
//@use query/{q_dtype}
//@use operand/{kv_dtype}
//@use query/rope_{rope}

//# Q in its tile becomes what the fragments need.

//@if rope != none || converts_query
/* Turns the tile from what was fetched into what the fragments need: rotated, and of the type to compute in. */
void transform_query(Cta threads, u8 *query, const ItemTile &tile) {
#pragma unroll 1
  for (u32 i = threads.number(); i < kRows * kRowUnits<kQkDim>; i += kThreads) {
    const u32 row = i / kRowUnits<kQkDim>;
    const auto load = [&](float(&values)[8], u32 chunk) {
      unpack_chunk(values, *(const uint4 *)(query + chunk_at<kQueryPitch>(row, chunk)), unpack_query);
    };
    const auto store = [&](const float(&values)[8], u32 chunk) {
      *(uint4 *)(query + chunk_at<kQueryPitch>(row, chunk)) = pack_chunk(values, pack_compute);
    };
    rotate_unit(i % kRowUnits<kQkDim>, tile.rows[row].position, load, store);
  }
  threads.sync();
}
//@else
/* The tile is what the fragments need. */
void transform_query(Cta threads, u8 *query, const ItemTile &tile) {}
//@end
