//@use tile/item_view
//@use tile/mask_scores
//@use tile/mask_bits

//# The scores of a step as logits of the tokens that their rows see.

/* Scores of a step, of which `token` is the first, become logits. Where all tokens are visible none is masked. */
void to_masked_logits(Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared, int token,
                      bool all_visible) {
  const ItemTile &tile = view.tile(shared);
  MaskBits bits;
  fetch_bits(bits, args, tile, token);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_visible || !are_full(bits)) {
    mask_scores(scores, tile.rows, token);
    mask_by_bits(scores, bits);
  }
}
