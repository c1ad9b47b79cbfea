//@use ring/panels
//@use ring/barriers
//@use query/bring
//@use tile/softmax
//@use work/mask

//# An item as a consumer sees it.

/* Of a step of an item. It is read while products are under way: it comes from shared memory, which takes a while. */
struct Outlook {
  bool all_visible; /* each row sees all tokens of the step */
  bool is_last;
};

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

  /* What is to be known of the step whose first token is `token`. */
  Outlook outlook(u8 *shared, int token) const {
    const fi_item &item = tile(shared).item;
    return {all_visible(item, token, kTeamTokens), token + (int)kTeamTokens >= item.kv_end};
  }

  u8 *query(u8 *shared) const {
    return query_tile_of(shared, Place<kQueryTiles>{fresh(count)}.number());
  }
};
