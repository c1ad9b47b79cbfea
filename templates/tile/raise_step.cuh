//@use tile/masked_logits

//# How the scores of a step lift the maxima of rows, before they become weights.

/* What the maxima of rows have become with a step. */
struct Maxima {
  float offsets[kRowGroups]; /* what is to be taken off its logits */
  Shrinks shrinks;           /* of O of the steps before it */
};

/*
 * Lifts the maxima of rows to the scores of a step, of which `token` is the first. Where all tokens are visible none is
 * masked.
 */
Maxima raise_step(RowState &state, Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared,
                  int token, bool all_visible) {
  MaskWords words;
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token);
  const MaskBits &bits = gather_bits(words, view.tile(shared).rows, token, all_visible);
  to_masked_logits(scores, args, view, shared, token, all_visible, bits);
  Maxima maxima;
  raise_maxima(state, scores, maxima.offsets, maxima.shrinks, logit_scale(view.scale));
  return maxima;
}
