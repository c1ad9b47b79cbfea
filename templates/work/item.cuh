//@use tile/threads
//@use tile_records
//@use work/mask
//@use query/position

//# A work item in a CTA: its record and the rows of its tile in shared memory.

/* A work item in shared memory, with the rows of its tile. */
struct ItemTile {
  fi_item item;
  tile_row rows[kRows];
};

/* The tiles that are in shared memory at a time: with teams, the next one is filled while slow warps read the last. */
constexpr u32 kItemTiles = kTeams > 1 ? 2 : 1;

/*
 * In the plan's rows, the token of row `row` of an item's tile, which is its head row % kGroup. Padding rows repeat the
 * last token.
 */
u32 index_of_row(const fi_item &item, u32 row) {
  return item.row_begin + min(row / kGroup, item.row_count - 1u);
}

const fi_row &row_of(const fi_attention_args &args, const fi_item &item, u32 row) {
  return args.plan.rows[index_of_row(item, row)];
}

/* What is done after an item's rows are published. */
struct ItemEnd {
  int unit;
  int unit_count;
  int next;
  bool is_partial;
  bool may_differ; /* some row may not see a token of the item */
};

ItemEnd item_end(const fi_item &item) {
  return {item.unit, item.unit_count, item.next, item.part >= 0, may_differ(item)};
}

/* Brings an item and its rows into shared memory. */
template <u32 kCount>
void stage_item(Threads<kCount> threads, ItemTile &tile, const fi_attention_args &args, const fi_item &item) {
  const u32 thread = threads.number();
  if (thread < sizeof item / 4)
    ((u32 *)&tile.item)[thread] = ((const u32 *)&item)[thread];
#pragma unroll 2
  for (u32 row = thread; row < kRows; row += kCount) {
    const fi_row &source = row_of(args, item, row);
    tile_row &to = tile.rows[row];
    to.token = source.token;
    to.part = source.part + (int)(row % kGroup);
    to.place = source.position;
    note_position(to, args);
    note_seen(to, args, index_of_row(item, row), item);
  }
}
