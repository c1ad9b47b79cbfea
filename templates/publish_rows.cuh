//@use accumulate
//@use output

//# One team: each warp has whole rows in its registers and writes them itself.

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state) {
  const TileRow *rows = tile.rows;
  const u32 lane = fresh_lane();
  const u32 first = first_row();
  const int part = tile.item.part;
  const u32 row_count = tile.item.row_count * kGroup;
  const u32 first_head = tile.item.kv_head * kGroup;
  const float v_scale = value_scale(args, tile.item.kv_head);
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first + 8 * r;
    if (row >= row_count)
      continue;
    if (part < 0) {
      const int token = rows[row].token;
      const u32 head = first_head + row % kGroup;
      const float factor = row_factor(state.sum[r], v_scale);
      u16 *to = output_row(args, token, head);
#pragma unroll
      for (u32 p = 0; p < kHeadDim / 8; p++) {
        const float2 pair = pair_of(state.o, r, p);
        *(u32 *)(to + pair_column(lane, p)) = pack_output(pair.x * factor, pair.y * factor);
      }
//@if lse
      if (lane % 4 == 0)
        write_lse(args, token, head, state.most[r], state.sum[r]);
//@end
    } else {
      const long long part_row = part + rows[row].part;
      float *to = args.plan.part_o + part_row * kHeadDim;
#pragma unroll
      for (u32 p = 0; p < kHeadDim / 8; p++)
        *(float2 *)(to + pair_column(lane, p)) = pair_of(state.o, r, p);
      if (lane % 4 == 0)
        *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(state.most[r], state.sum[r]);
    }
  }
}
