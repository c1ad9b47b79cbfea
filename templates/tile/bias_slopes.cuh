//# A bias that falls with the distance, by the slope of the head.

struct RowBias {
  float slope;
  float first;

  /* Of the token `step` after the first. */
  float at(u32 step) const {
    return fmaf(slope, (float)step, first);
  }
};

/* The bias of a row of the tile, from KV token `token` on. */
RowBias open_bias(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  const float slope = args.slopes[query_head(tile.item.kv_head, row)] * kLog2E;
  return {slope, slope * (float)(token - tile.rows[row].place)};
}
