//# Rows of a tile may be of several requests: what is done to one does not depend on the others.

/*
 * Lifts the maxima of rows to those of their new scores, and rescales their O, or tells by what, and their sums by it,
 * where these exceed them by more than the slack, or where logits are large; returns whether some are lifted. The
 * offsets are what is to be taken off logits.
 */
template <typename Shrunk>
bool raise_maxima(RowState &state, Scores &scores, float (&offsets)[kRowGroups], Shrunk &shrunk,
                  const LogitScale &scale) {
  float most[kRowGroups];
  bool moved = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = count_in(state.most[r], scores, r);
    offsets[r] = state.most[r] * scale.of(r);
    const bool moves = (most[r] - state.most[r]) * scale.of(r) > kSlack || is_large(offsets[r]);
    most[r] = moves ? most[r] : state.most[r];
    moved |= moves;
  }
  if (!__any_sync(kAllLanes, moved))
    return false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float offset = most[r] * scale.of(r);
    const bool large = is_large(offset);
    const float shrink = exp2_fast(large ? (state.most[r] - most[r]) * scale.of(r) : offsets[r] - offset);
    const float taken = large ? most[r] : 0;
    offsets[r] = large ? 0 : offset;
    state.most[r] = most[r];
    state.sum[r] *= shrink;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      at(scores, r, i) -= taken;
    shrink_group(shrunk, r, shrink);
  }
  return true;
}
