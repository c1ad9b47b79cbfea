//@use operand/panels16
//@use tile/own_rows
//@use tile/turns
//@use tile/weigh_step
//@use query/release

//# A consumer's part of an item, by products of 16-bit elements.

/* Starts O += P V of a step, when its V is there. */
void begin_output(Output &o, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  wait_for_tile(&barriers_of(shared).values_full[place.number()], place.parity());
  pin(o);
  products_begin();
  accumulate(o, weights, matrix_at(values_of_stage(shared, place.number()), kTeamTokens * kPanelRow));
}

/* Waits for the products of O of a step, then nobody needs its V. */
void end_output(Output &o, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(o);
  release(&barriers_of(shared).values_empty[place.number()]);
}

/*
 * A consumer's part of an item. The scores of a step are under way beside the product of the weights before them with
 * V; while the latter still is, the scores become weights. One consumer is at its softmax while the matrix units work
 * for another; three take turns at starting products for that.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared) {
  int token = first_of_steps(view.tile(shared).item.kv_begin);
  if (token >= view.tile(shared).item.kv_end) {
    end_scores_of_item(view, shared);
    return;
  }
  Scores scores;
  Weights weights;
  Shrinks shrinks;
  wait_for_keys(place, shared);
  begin_scores(scores, view, place, shared);
  Outlook outlook = view.outlook(shared, token);
  MaskWords words;
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token);
  MaskBits bits = gather_bits(words, view.tile(shared).rows, token, outlook.all_visible);
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token + (int)kTeamTokens);
  end_scores<0>(scores, place, shared);
  weigh_step(state, scores, shrinks, args, view, shared, token, outlook.all_visible, bits);
  pack_weights(weights, scores);
#pragma unroll 1
  while (!outlook.is_last) {
    token += (int)kTeamTokens;
    const Place<kStages> next = place.next();
    wait_for_keys(next, shared);
    wait_turn(fresh_thread() / 128);
    begin_scores(scores, view, next, shared);
    outlook = view.outlook(shared, token);
    begin_output(state.o, weights, place, shared);
    pass_turn(consumer_after(fresh_thread() / 128));
    bits = gather_bits(words, view.tile(shared).rows, token, outlook.all_visible);
    fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token + (int)kTeamTokens);
    end_scores<1>(scores, next, shared);
    const bool shrinks_output =
        weigh_step(state, scores, shrinks, args, view, shared, token, outlook.all_visible, bits);
    end_output(state.o, place, shared);
    pack_weights(weights, scores);
    if (shrinks_output)
      shrink_output(state.o, shrinks);
    place = next;
  }
  end_scores_of_item(view, shared);
  begin_output(state.o, weights, place, shared);
  end_output(state.o, place, shared);
  place = place.next();
}
