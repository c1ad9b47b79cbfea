//@use operand/panels8
//@use tile/own_rows
//@use tile/raise_step
//@use query/release

//# A consumer's part of an item, by products of e4m3.

/* Starts O of a step, whose V is there. */
void begin_output(Output &step, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  pin(step);
  products_begin();
  accumulate(step, weights, matrix_at(turned_of_stage(shared, place.number()), 0));
}

/* Waits for the products of O of a step, then nobody needs its V; those of scores may go on. */
template <int kPending> void end_output(Output &step, const Place<kStages> &place, u8 *shared) {
  products_wait<kPending>();
  pin(step);
  release(&barriers_of(shared).turned_empty[place.number()]);
}

void wait_for_values(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).turned_full[place.number()], place.parity());
}

/*
 * A consumer's part of an item. The matrix units sum products of 8 bits with few digits, so that O of each step is
 * summed alone, and added to the rest by the threads. The scores of a step are under way beside it, and while one
 * consumer is at its softmax, the matrix units work for the other. V is waited for a step ahead, before the scores: the
 * compiler does not move the adding over such a branch, while it would else begin it after them.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared) {
  int token = first_of_steps(view.tile(shared).item.kv_begin);
  if (token >= view.tile(shared).item.kv_end) {
    end_scores_of_item(view, shared);
    return;
  }
  Scores scores;
  Weights weights;
  Output step;
  wait_for_keys(place, shared);
  begin_scores(scores, view, place, shared);
  Outlook outlook = view.outlook(shared, token);
  wait_for_values(place, shared);
  end_scores<0>(scores, place, shared);
  Maxima maxima = raise_step(state, scores, args, view, shared, token, outlook.all_visible);
  weigh(state, scores, maxima.offsets, logit_scale(view.scale));
  pack_weights(weights, scores);
#pragma unroll 1
  while (!outlook.is_last) {
    token += (int)kTeamTokens;
    const Place<kStages> next = place.next();
    begin_output(step, weights, place, shared);
    wait_for_keys(next, shared);
    begin_scores(scores, view, next, shared);
    outlook = view.outlook(shared, token);
    end_output<1>(step, place, shared);
    add_output(state.o, step, maxima.shrinks);
    wait_for_values(next, shared);
    end_scores<0>(scores, next, shared);
    maxima = raise_step(state, scores, args, view, shared, token, outlook.all_visible);
    weigh(state, scores, maxima.offsets, logit_scale(view.scale));
    pack_weights(weights, scores);
    place = next;
  }
  end_scores_of_item(view, shared);
  begin_output(step, weights, place, shared);
  end_output<0>(step, place, shared);
  add_output(state.o, step, maxima.shrinks);
  close_weights(state);
  place = place.next();
}
