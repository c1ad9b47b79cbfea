//@use tile/item_view
//@use tile/mask_scores
//@use tile/mask_bits

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
  const ItemTile &tile = view.tile(shared);
  MaskBits bits;
  fetch_bits(bits, args, tile, token);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_visible || !are_full(bits)) {
    mask_scores(scores, tile.rows, token);
    mask_by_bits(scores, bits);
  }
  Maxima maxima;
  for (float &factor : maxima.shrinks.factors)
    factor = 1;
  raise_maxima(state, scores, maxima.offsets, maxima.shrinks, logit_scale(view.scale));
  return maxima;
}
