//@use tile/item_view
//@use tile/logits
//@use tile/hide_columns
//@use ring/seen

//# How the scores of a step of listed tokens become weights: all rows of the tile see the same.

/* Takes scores of rows of K that are not seen out of the softmax. */
void hide_unseen(Scores &scores, u32 stage, u8 *shared) {
  u32 seen[kSeenWords];
  bool all = true;
#pragma unroll
  for (u32 w = 0; w < kSeenWords; w++) {
    seen[w] = seen_of_stage(shared, stage)[w];
    all &= seen[w] == kAllLanes;
  }
  if (all)
    return;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    hide_columns(scores, r, seen);
}

/* Scores of the step in a stage become weights; whether O must shrink, and by what. */
bool weigh_scores(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                  const ItemView &view, u32 stage, u8 *shared, int token) {
  to_logits(scores, args, view.tile(shared), view.scale, token);
  hide_unseen(scores, stage, shared);
  return softmax(state, scores, shrinks, logit_scale(view.scale), {});
}
