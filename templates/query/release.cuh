//@use tile/item_view

//# When the tile of Q may be filled anew.

/* A warp of a consumer is done with the tile. */
void release_query(const ItemView &view, u8 *shared) {
  release(&barriers_of(shared).query_empty[Place<kQueryTiles>{fresh(view.count)}.number()]);
}

//@if frees_query
/* After the last scores of an item: rows that are done again, if any may be, read theirs from memory. */
void end_scores_of_item(const ItemView &view, u8 *shared) {
  release_query(view, shared);
}

void end_query(const ItemView &view, u8 *shared) {}
//@else
/* Rows may be done again, by what Q has become in its tile. */
void end_scores_of_item(const ItemView &view, u8 *shared) {}

/* After an item. */
void end_query(const ItemView &view, u8 *shared) {
  release_query(view, shared);
}
//@end
