//# What biases by distance have in common.

struct RowBias {
  const BiasElement *row;
  int index; /* of the first token's distance */
  int extent;

  /* Of the token `step` after the first. */
  float at(u32 step) const {
    const int i = index - (int)step;
    return (u32)i < (u32)extent ? bias_value(row[i]) * kLog2E : 0;
  }
};

/* The bias of a row of the tile, from KV token `token` on. */
RowBias open_bias(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  const tile_row &of = tile.rows[row];
  return {bias_row(args, of.token, query_head(tile.item.kv_head, row)), of.place - token - first_distance(args),
          args.bias_extent};
}
