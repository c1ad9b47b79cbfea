//@use tile/item_view
//@use operand/products

//# A consumer and its 64 rows of a tile.

/* The consumer's own rows of the tile of Q. */
u8 *own_query(const ItemView &view, u8 *shared) {
  return view.query(shared) + fresh_thread() / 128 * (64 * kPanelRow);
}

void wait_for_keys(const Place<kStages> &place, u8 *shared) {
  wait_for_tile(&barriers_of(shared).keys_full[place.number()], place.parity());
}

/* Starts the scores of a step, whose K is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  pin(scores);
  products_begin();
  score(scores, matrix_at(own_query(view, shared), 0), matrix_at(keys_of_stage(shared, place.number()), 0));
}

/* Waits for the products of a step's scores, then nobody needs its K. So many groups of products may go on. */
template <int kPending> void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<kPending>();
  pin(scores);
  release(&barriers_of(shared).keys_empty[place.number()]);
}
