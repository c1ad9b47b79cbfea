//@use ptx/tensor_map
//@use ring/panels
//@use work/item_ring

//# A warp of the producer brings Q ahead of the consumers.

constexpr u32 kQueryTokenBytes = kGroup * kPanelRow; /* of a panel */

//@if prefixes
/* Rows may be of any requests: each token is copied by itself. */
bool is_box(const fi_item &item) {
  return false;
}

/* Tokens of which consumers with rows of an item read Q. */
u32 tokens_read(const fi_item &item) {
  const u32 rows = (item.row_count * kGroup + 63) / 64 * 64;
  return min((rows + kGroup - 1) / kGroup, kTokens);
}
//@else
/* The heads of a query token follow each other, and so do the tokens of a tile: Q is a box, if the item has all. */
bool is_box(const fi_item &item) {
  return item.row_count == kTokens;
}

/* Tokens of which consumers read Q: of the whole tile. */
u32 tokens_read(const fi_item &item) {
  return kTokens;
}
//@end

/* Brings Q of an item to its tile; the last token is repeated in rows of which it has none. */
void bring_query(Threads<32> threads, const fi_attention_maps_args &args, const fi_item &item, const u8 *tile,
                 u64 *full) {
  const u32 to = shared_address(tile);
  const int head = item.kv_head * kGroup;
  const fi_row *rows = args.attention.plan.rows + item.row_begin;
  const u32 number = threads.number();
  if (is_box(item)) {
    if (number < kPanels<kQkDim>)
      copy_box(to + number * (kRows * kPanelRow), args.q, full, (int)(number * kPanelUnits), head, rows->token, 0);
    return;
  }
#pragma unroll 1
  for (u32 i = number; i < kPanels<kQkDim> * tokens_read(item); i += 32) {
    const u32 token = i / kPanels<kQkDim>;
    const u32 panel = i % kPanels<kQkDim>;
    copy_box(to + panel * (kRows * kPanelRow) + token * kQueryTokenBytes, args.q_token, full,
             (int)(panel * kPanelUnits), head, rows[min(token, item.row_count - 1u)].token, 0);
  }
}

/* Brings Q of an item to its place. */
void bring_query_to(const Place<kQueryTiles> &place, Threads<32> threads, const fi_attention_maps_args &args,
                    const fi_item &item, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  u64 *full = &barriers.query_full[place.number()];
  barrier_wait(&barriers.query_empty[place.number()], place.parity_before());
  if (threads.leads())
    barrier_expect(full, kPanels<kQkDim> * kQueryTokenBytes * tokens_read(item));
  threads.sync();
  bring_query(threads, args, item, query_tile_of(shared, place.number()), full);
}

//@if query_alone
/* Brings Q of all items of the CTA, from `first` on. */
void bring_queries(Threads<32> threads, const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  Place<kQueryTiles> place = {0};
  Follower at = {{0}, first};
  do {
    bring_query_to(place, threads, args, *at.item, shared);
    place = place.next();
  } while (goes_on(at, shared));
}
//@else
/* Brings the items of the CTA, from `item` on, and Q of each. */
void bring_items(Threads<32> threads, const fi_attention_maps_args &args, const fi_item *item, u8 *shared) {
  int next = 0;
  for (Place<kItemsAhead> place = {0}; item; place = place.next()) {
    item = bring_item(threads, args.attention, item, next, place, shared);
    if (item)
      bring_query_to({place.count}, threads, args, *item, shared);
  }
}
//@end

//@if rows > tokens * group
/* Rows of the tiles that no query token has are 0, so that they are defined. */
void clear_padding(u8 *shared) {
  constexpr u32 kChunks = kPanels<kQkDim> * 8;
  constexpr u32 kPadding = kRows - kTokens * kGroup;
  for (u32 i = threadIdx.x; i < kQueryTiles * kPadding * kChunks; i += kThreads) {
    const u32 row = kTokens * kGroup + i / kChunks % kPadding;
    *(uint4 *)(query_tile_of(shared, i / kChunks / kPadding) + panel_chunk<kRows>(row, i % kChunks)) = {};
  }
  shared_written();
}
//@else
/* All rows of the tiles belong to query tokens. */
void clear_padding(u8 *shared) {}
//@end
