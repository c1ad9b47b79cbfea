//@use tile/item_view
//@use ring/stages

//# A consumer and its 64 rows of a tile.

/* The consumer's own rows of the tile of Q. */
u8 *own_query(const ItemView &view, u8 *shared) {
  return view.query(shared) + fresh_thread() / 128 * (64 * kPanelRow);
}

void wait_for_keys(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).keys_full[place.number()], place.parity());
}
