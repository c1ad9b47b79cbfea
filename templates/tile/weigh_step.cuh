//@use tile/masked_logits

//# How the scores of a step become weights.

/*
 * Scores of a step, of which `token` is the first, become weights; whether O must shrink, and by what. Where all tokens
 * are visible none is masked.
 */
bool weigh_step(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                const ItemView &view, u8 *shared, int token, bool all_visible, MaskBits &bits) {
  to_masked_logits(scores, args, view, shared, token, all_visible, bits);
  return softmax(state, scores, shrinks, logit_scale(view.scale));
}

/* The same of the step in a stage, where what is visible was not asked for before. */
bool weigh_scores(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                  const ItemView &view, u32 stage, u8 *shared, int token) {
  MaskBits bits;
  fetch_bits(bits, args, view.tile(shared), token);
  const bool all_visible = view.outlook(shared, token).all_visible;
  return weigh_step(state, scores, shrinks, args, view, shared, token, all_visible, bits);
}
