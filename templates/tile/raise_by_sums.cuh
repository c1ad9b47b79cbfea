//# Weights of bf16 may be as large as a float, so that what is taken off logits need not be their maximum: it stays until
//# a row's sum shows that it is far too small. Maxima are looked for only where a row may have seen nothing yet.

constexpr float kFull = 0x1p24f; /* a lane's sum beyond which a row's maximum is lifted */
constexpr float kLost = 0x1p64f; /* beyond which O may have been infinite: the row is done again */

/* Before the softmax of a step: whether each row sees all of its tokens. */
void note_visible(RowState &state, bool all_visible) {
  state.asks = state.unsettled || !all_visible;
}

/* Whether O of a row may be wrong, by its sum: scores of a step have exceeded its maximum by too much. */
bool is_lost(float sum) {
  return !(sum <= kLost);
}

/* The warp's rows that are lost, by row group: bit 4 i is row i. */
struct LostRows {
  u32 lanes[kRowGroups];

  bool has(u32 row) const {
    return lanes[row / 8] >> row % 8 * 4 & 1;
  }

  bool are_some() const {
    return (lanes[0] | lanes[1]) != 0;
  }
};

LostRows lost_rows(const RowState &state) {
  LostRows lost;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    lost.lanes[r] = __ballot_sync(kAllLanes, is_lost(state.sum[r]));
  return lost;
}

/* A row's maximum that its sum is no larger with than with that of the scores so far. */
float lifted_by(float sum, float most, float scale) {
  return sum > kFull ? fminf(most + log2_fast(sum) / scale, kLargest) : most;
}

/*
 * Lifts the rows' maxima to those of the new scores, or by their sums, and rescales O, or tells by what, and sums by it,
 * if some row of the warp has to be asked or has too large a sum; returns whether one has. The offsets are what is to be
 * taken off logits. A sum that is lost stays NaN.
 */
template <typename Shrunk>
bool raise_maxima(RowState &state, Scores &scores, float (&offsets)[kRowGroups], Shrunk &shrunk,
                  const LogitScale &scale) {
  bool moved = state.asks;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    offsets[r] = state.most[r] * scale.of(r);
    moved |= state.sum[r] > kFull;
  }
  if (!__any_sync(kAllLanes, moved))
    return false;
  bool unsettled = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float sum = join_lanes(state.sum[r]);
    const float most = fmaxf(join_lanes(count_in(state.most[r], scores, r)),
                             lifted_by(sum, state.most[r], scale.of(r)));
    const float offset = most * scale.of(r);
    const bool large = is_large(offset);
    const float shrink = exp2_fast(large ? (state.most[r] - most) * scale.of(r) : offsets[r] - offset);
    const float taken = large ? most : 0;
    unsettled |= large || most == kNothing;
    offsets[r] = large ? 0 : offset;
    state.most[r] = most;
    state.sum[r] = is_lost(sum) ? __int_as_float(0x7fffffff) : state.sum[r] * shrink;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      at(scores, r, i) -= taken;
    shrink_group(shrunk, r, shrink);
  }
  state.unsettled = __any_sync(kAllLanes, unsettled);
  return true;
}
