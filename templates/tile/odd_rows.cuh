//@use tile/odd_values
//@use query/tile

//# Rows beside odd values are done again by all warps of the CTA, after all have noted whether they met some.

//@if mixed_rows
u32 &odd_values(u8 *shared) {
  return *(u32 *)(shared + kSharedOdd);
}

/* Notes odd values of an item whose rows do not all see the same. */
void note_odd_values(const fi_item &item, const Output &o, u8 *shared) {
  if (may_differ(item) && has_odd_values(o))
    atomicOr(&odd_values(shared), 1);
}

/*
 * Does the rows of an item again that do not see all of its tokens. Not inlined: beside the main loop it would take
 * registers from it.
 */
__noinline__ void redo_rows(const fi_attention_args &args, const ItemTile &tile, const u8 *query) {
  const fi_item &item = tile.item;
#pragma unroll 1
  for (u32 row = fresh_thread() / 32; row < item.row_count * kGroup; row += kWorkers / 32)
    if (sees_less(tile, row))
      redo_row(args, tile, query_row(args, tile, query, row), row);
}

//@if family == wgmma
/* Q has been read, and a tensor map may write the next. Nor does a warp note odd values before these are forgotten. */
void end_redo(Workers threads) {
  shared_written();
  threads.sync();
}
//@else
/* The next item begins with a barrier. */
void end_redo(Workers threads) {}
//@end

/* After an item is published, and a barrier: does rows again if odd values were noted. */
void redo_odd_rows(Workers threads, const fi_attention_args &args, const ItemTile &tile, const ItemEnd &end,
                   u8 *shared) {
  if (!end.may_differ || odd_values(shared) == 0)
    return;
  threads.sync(); /* what is published of these rows has been written */
  redo_rows(args, tile, query_tile(shared));
  threads.sync();
  if (threads.leads())
    odd_values(shared) = 0;
  end_redo(threads);
}

/* Before the first item. */
void clear_odd_values(Workers threads, u8 *shared) {
  if (threads.leads())
    odd_values(shared) = 0;
}
//@else
/* All rows see the same tokens, and V of those that none sees is cleared. */
void note_odd_values(const fi_item &item, const Output &o, u8 *shared) {}

void redo_odd_rows(Workers threads, const fi_attention_args &args, const ItemTile &tile, const ItemEnd &end,
                   u8 *shared) {}

void clear_odd_values(Workers threads, u8 *shared) {}
//@end
