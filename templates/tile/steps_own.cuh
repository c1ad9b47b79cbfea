//@use operand/parts16
//@use ring/barriers
//@use tile/item_view

//# The same where V is not in K: the consumer whose step it is needs K, both need V, and weights have their own place.

/* Starts the scores of a step, when its K is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  const u32 query = matrix_at(view.query(shared), 0);
  const u32 keys = matrix_at(keys_of_stage(shared, place.number()), 0);
  barrier_wait(&barriers_of(shared).keys_full[place.number()], place.parity());
  pin(scores);
  products_begin();
  score(scores, query, keys);
}

/* Nobody needs K of the step any more. */
void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(scores);
  release(&barriers_of(shared).keys_empty[place.number()]);
}

u8 *weights_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedWeights + stage * (kRows * kPanelRow);
}

/* Weights have a place of their own, whose turn comes later. */
void before_softmax() {}

/* Before a consumer writes weights of a step of its own: products of the other one have read those before. */
void before_weights(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).weights_empty[place.number()], place.parity_before());
}

void wait_for_values(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).values_full[place.number()], place.parity());
}

/* The consumer's half of V of a step. */
u32 own_values(const Place<kStages> &place, u8 *shared) {
  const u32 half = fresh_thread() / 128 * kTileBytes<kVDim / 2, kTeamTokens>;
  return matrix_at(values_of_stage(shared, place.number()) + half, kTeamTokens * kPanelRow);
}

/* Products of O of a step have ended: the consumer needs its V no more. */
void release_own(const Place<kStages> &place, u8 *shared) {
  release(&barriers_of(shared).values_empty[place.number()]);
}

/* Nor, after a step of the other consumer, the weights. */
void release_other(const Place<kStages> &place, u8 *shared) {
  release_own(place, shared);
  release(&barriers_of(shared).weights_empty[place.number()]);
}
