//@use tile/masked_logits
//@use tile/weigh_at_once

//# How the scores of a step become weights.

/*
 * Scores of a step, of which `token` is the first, become weights; whether O must shrink, and by what. Where all tokens
 * are visible none is masked.
 */
bool weigh_step(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                const ItemView &view, u8 *shared, int token, bool all_visible, const MaskBits &bits) {
  if (weigh_at_once(state, scores, view.scale, args.cap_log2, all_visible))
    return false;
  to_masked_logits(scores, args, view, shared, token, all_visible, bits);
  return softmax(state, scores, shrinks, logit_scale(view.scale), late_bits(bits));
}

/* The same of the step in a stage, where what is visible was not asked for before. */
bool weigh_scores(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                  const ItemView &view, u32 stage, u8 *shared, int token) {
  MaskWords words;
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token);
  const bool all_visible = view.outlook(shared, token).all_visible;
  const MaskBits &bits = gather_bits(words, view.tile(shared).rows, token, all_visible);
  return weigh_step(state, scores, shrinks, args, view, shared, token, all_visible, bits);
}
