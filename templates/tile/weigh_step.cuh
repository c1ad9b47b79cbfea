//@use ring/panels
//@use ring/barriers
//@use query/bring
//@use tile/softmax
//@use tile/mask_scores
//@use tile/mask_bits

//# What a consumer knows of its item, and how the scores of a step become weights.

/*
 * What a consumer knows of the item that it is at, its CTA's item `count`. Places in shared memory are worked out anew
 * at each use: O and the scores need the registers.
 */
struct ItemView {
  u32 count;
  ScoreScale scale;

  ItemTile &tile(u8 *shared) const {
    return item_tiles(shared)[Place<kItemsAhead>{fresh(count)}.number()];
  }

  u8 *query(u8 *shared) const {
    return query_tile_of(shared, Place<kQueryTiles>{fresh(count)}.number());
  }
};

/* Scores of a step, of which `token` is the first, become weights; whether O must shrink, and by what. */
bool weigh_step(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                const ItemView &view, u8 *shared, int token) {
  const ItemTile &tile = view.tile(shared);
  MaskBits bits;
  fetch_bits(bits, args, tile, token);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_visible(tile.item, token, kTeamTokens) || !are_full(bits)) {
    mask_scores(scores, tile.rows, token);
    mask_by_bits(scores, bits);
  }
  return softmax(state, scores, shrinks, logit_scale(view.scale));
}
