//@use operand/parts16
//@use ring/barriers
//@use tile/item_view

//# What consumers take and give back in a step, where V is in K: its parts, of which the rest becomes the weights.

/* Starts the scores of a step: the products with a part of K as soon as it is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  u64(&full)[kParts] = barriers_of(shared).keys_full[place.number()];
  const u32 query = matrix_at(view.query(shared), 0);
  const u32 keys = matrix_at(keys_of_stage(shared, place.number()), 0);
  constexpr u32 kHalf = kVDim / 2 / 16; /* blocks */
  pin(scores);
  wait_for_tile(&full[0], place.parity());
  score_part<0, kHalf>(scores, query, keys);
  wait_for_tile(&full[1], place.parity());
  score_part<kHalf, kHalf>(scores, query, keys);
  wait_for_tile(&full[kRest], place.parity());
  score_part<2 * kHalf, (kQkDim - kVDim + 15) / 16>(scores, query, keys);
  products_commit();
}

/* K of the step is V, too: it stays. */
void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(scores);
}

u8 *weights_of_stage(u8 *shared, u32 stage) {
  return part_of_stage(shared, stage, kRest);
}

/* Before a consumer's softmax of a step of its own: products of all its warps have read the rest of K .. */
void before_softmax() {
  consumer_threads(fresh_thread() / 128).sync();
}

/* .. whose place the weights take. */
void before_weights(const Place<kStages> &place, u8 *shared) {}

/* V is there where K is. */
void wait_for_values(const Place<kStages> &place, u8 *shared) {}

/* The consumer's half of V of a step. */
u32 own_values(const Place<kStages> &place, u8 *shared) {
  return matrix_at(part_of_stage(shared, place.number(), fresh_thread() / 128), kTeamTokens * kPanelRow);
}

/* Products of O of a step have ended: nobody needs the consumer's half of V any more. */
void release_own(const Place<kStages> &place, u8 *shared) {
  release(&barriers_of(shared).keys_empty[place.number()][fresh_thread() / 128]);
}

/* Nor, after a step of the other consumer, the weights. */
void release_other(const Place<kStages> &place, u8 *shared) {
  release_own(place, shared);
  release(&barriers_of(shared).keys_empty[place.number()][kRest]);
}
