//# Without slack some row is lifted by most steps: all of them are, without asking.

/*
 * Lifts the maxima of rows to those of their new scores, and rescales O, or tells by what, and sums by it. The offsets
 * are what is to be taken off logits; where these are large, the maxima are taken off the scores before.
 */
template <typename Shrunk>
bool raise_maxima(RowState &state, Scores &scores, float (&offsets)[kRowGroups], Shrunk &shrunk,
                  const LogitScale &scale) {
  float taken[kRowGroups];
  bool takes = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float most = join_lanes(count_in(state.most[r], scores, r));
    const float before = state.most[r] * scale.of(r);
    const float offset = most * scale.of(r);
    const bool large = is_large(offset);
    const float shrink = exp2_fast(large ? (state.most[r] - most) * scale.of(r) : before - offset);
    taken[r] = large ? most : 0;
    offsets[r] = large ? 0 : offset;
    takes |= large;
    state.most[r] = most;
    state.sum[r] *= shrink;
    shrink_group(shrunk, r, shrink);
  }
  if (!__any_sync(kAllLanes, takes))
    return true;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      at(scores, r, i) -= taken[r];
  return true;
}

/* The online softmax. Whether O shrinks, which is done or told in `shrunk`. */
template <typename Shrunk>
bool softmax(RowState &state, Scores &scores, Shrunk &shrunk, const LogitScale &scale) {
  float offsets[kRowGroups];
  const bool shrinks = raise_maxima(state, scores, offsets, shrunk, scale);
  weigh(state, scores, offsets, scale);
  return shrinks;
}
