//@use operand/convert

//# A bias for each query token, head and KV token, of f16.

struct RowBias {
  const u16 *first;
  int seen; /* tokens from the first on that are read */

  /* Of the token `step` after the first. */
  float at(u32 step) const {
    return (int)step < seen ? unpack_f16(first[step]).x * kLog2E : 0;
  }
};

/* The bias of a row of the tile, from KV token `token` on. */
RowBias open_bias(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  const tile_row &of = tile.rows[row];
  const u32 head = query_head(tile.item.kv_head, row);
  const u16 *all = (const u16 *)args.bias + of.token * args.bias_token_stride + head * args.bias_head_stride;
  return {all + token, of.visible - token};
}
