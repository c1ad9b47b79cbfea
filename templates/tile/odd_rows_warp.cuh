//@use tile/odd_values
//@use tile/softmax

//# Rows beside odd values are done again by the warp that has them.

//@if mixed_rows
/*
 * Does the warp's rows again that do not see all of the item's tokens. Not inlined: it would take registers from the
 * main loop.
 */
__noinline__ void redo_rows(const fi_attention_args &args, const ItemTile &tile, const u8 *query) {
  const u32 begin = fresh_thread() / 32 * 16;
  const u32 end = min(begin + 16, tile.item.row_count * kGroup);
#pragma unroll 1
  for (u32 row = begin; row < end; row++)
    if (sees_less(tile, row))
      redo_row(args, tile, query_row(args, tile, query, row), row);
}

/* After a warp has published its rows: does them again if O has odd values. */
void redo_odd_rows(const fi_attention_args &args, const ItemTile &tile, const Output &o, const u8 *query) {
  if (!may_differ(tile.item) || !__any_sync(kAllLanes, has_odd_values(o)))
    return;
  __syncwarp(); /* what is published of these rows has been written */
  redo_rows(args, tile, query);
  shared_written(); /* Q has been read: a tensor map may write the next */
}
//@else
/* All rows see the same tokens, and V of those that none sees is cleared. */
void redo_odd_rows(const fi_attention_args &args, const ItemTile &tile, const Output &o, const u8 *query) {}
//@end
