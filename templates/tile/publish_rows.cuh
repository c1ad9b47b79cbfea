//@use tile/accumulate
//@use tile/join

//# One team: each warp has whole rows in its registers and writes them itself.

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= item.row_count * kGroup)
      continue;
    if (item.part < 0) {
      const int token = tile.rows[row].token;
      const u32 head = item.kv_head * kGroup + row % kGroup;
      const float factor = row_factor(args, item.kv_head, state.sum[r]);
      u16 *to = (u16 *)args.o + token * args.o_token_stride + head * args.o_head_stride;
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
      const long long part_row = item.part + tile.rows[row].part;
      float *to = args.plan.part_o + part_row * kHeadDim;
#pragma unroll
      for (u32 p = 0; p < kHeadDim / 8; p++)
        *(float2 *)(to + pair_column(lane, p)) = pair_of(state.o, r, p);
      if (lane % 4 == 0)
        *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(state.most[r], state.sum[r]);
    }
  }
}
