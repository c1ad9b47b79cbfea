//@use tile/item_view
//@use tile/mask_scores
//@use tile/mask_bits

//# The scores of a step as logits of the tokens that their rows see.

/*
 * Scores of a step, of which `token` is the first, become logits. Where all tokens are visible, only bits may say that
 * one is not.
 */
void to_masked_logits(Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared, int token,
                      bool all_visible, MaskBits &bits) {
  const ItemTile &tile = view.tile(shared);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_seen(bits, tile.rows, token, all_visible))
    mask_step(scores, tile.rows, token, bits);
}
