//@use tile/item_view
//@use tile/mask_scores
//@use tile/mask_bits

//# The scores of a step as logits of the tokens that their rows see.

//@if mask_bits && weight_exponent == 0 && snippet != weight
/* Scores of a step, of which `token` is the first, become logits. Which of them are seen the softmax asks. */
void to_masked_logits(Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared, int token,
                      bool all_visible, const MaskBits &bits) {
  to_logits(scores, args, view.tile(shared), view.scale, token);
}
//@else
/*
 * Scores of a step, of which `token` is the first, become logits. Where all tokens are visible, only bits may say that
 * one is not.
 */
void to_masked_logits(Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared, int token,
                      bool all_visible, const MaskBits &bits) {
  const ItemTile &tile = view.tile(shared);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_seen(bits, all_visible))
    mask_step(scores, tile.rows, token, bits);
}
//@end
