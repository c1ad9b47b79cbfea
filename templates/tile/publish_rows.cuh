//@use tile/softmax
//@use tile/pairs
//@use tile/finish
//@use work/item

//# One team: each warp has its rows in its registers and writes them itself.

/* Writes the item's rows to O, or as a partial. */
void publish(Cta threads, const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *shared,
             u32 free_stage) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 first = first_dim();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= item.row_count * kGroup)
      continue;
    const bool has_end = has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, tile.rows[row].token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p++) {
        const float2 pair = pair_of(state.o, r, p);
        write_output(finished.o + first + pair_column(lane, p), pair.x * finished.factor, pair.y * finished.factor);
      }
    } else {
      float *to = keep_row(args, item.part + tile.rows[row].part, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p++)
        *(float2 *)(to + first + pair_column(lane, p)) = pair_of(state.o, r, p);
    }
  }
}
