//@use ring/panels
//@use ring/barriers
//@use query/bring
//@use tile/softmax

//# An item as a consumer sees it.

/*
 * What a consumer knows of the item that it is at, its CTA's item `count`. Places in shared memory are worked out anew
 * at each use: O and the scores need the registers.
 */
struct ItemView {
  u32 count;
  ScoreScale scale;

  ItemTile &tile(u8 *shared) const {
    return item_tiles(shared)[Place<kItemsAhead>{fresh(count)}.number()];
  }

  u8 *query(u8 *shared) const {
    return query_tile_of(shared, Place<kQueryTiles>{fresh(count)}.number());
  }
};
