//@use ptx/math
//@use tile/rows
//@use work/logits

/*
 * Stands for minus infinity in scores and maxima: finite, so that a row that has seen nothing needs no special
 * case, and a power of two, so that it is scaled without rounding and such a row's O stays finite.
 */
constexpr float kMasked = -0x1p100f;

/* State of a warp's rows, by row group. */
struct RowState {
  float most[kRowGroups]; /* maximum of the unscaled scores */
  float sum[kRowGroups];  /* of this lane's columns, until close_rows */
  Output o;
};

/* The state of rows that have seen nothing yet. */
void open_rows(RowState &state) {
  state = {};
#pragma unroll
  for (float &most : state.most)
    most = kMasked;
}

/* How far (base-2 logits) a row's scores may exceed its maximum: their probabilities, at most 2^8, fit f16. */
constexpr float kSlack = 8;

/*
 * Lifts the rows' maxima to those of the new scores, and rescales O and sums by it, if some row of the warp has scores
 * that exceed its maximum by more than the slack.
 */
void raise_maxima(RowState &state, const Scores &scores, float scale) {
  float most[kRowGroups];
  bool moved = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = state.most[r];
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i += 2)
      most[r] = fmaxf(most[r], fmaxf(at(scores, r, i), at(scores, r, i + 1)));
    most[r] = fmaxf(most[r], __shfl_xor_sync(kAllLanes, most[r], 1)); /* four lanes share a row */
    most[r] = fmaxf(most[r], __shfl_xor_sync(kAllLanes, most[r], 2));
    moved |= (most[r] - state.most[r]) * scale > kSlack;
  }
  if (!__any_sync(kAllLanes, moved))
    return;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float shrink = exp2_fast((state.most[r] - most[r]) * scale);
    state.most[r] = most[r];
    state.sum[r] *= shrink;
#pragma unroll
    for (u32 i = 0; i < kShareDims / 4; i++)
      at(state.o, r, i) *= shrink;
  }
}

/* The online softmax: scores become exp2(scale * (score - row maximum)), summed into the state. */
void softmax(RowState &state, Scores &scores, float scale) {
  raise_maxima(state, scores, scale);
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float offset = state.most[r] * scale;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = exp2_fast(score * scale - offset);
      state.sum[r] += score;
    }
  }
}

/* Closes an item: sums over all columns, maxima in base-2 logits; -infinity and 0 for rows that saw nothing. */
void close_rows(RowState &state, float scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 1); /* all lanes, whichever rows are empty */
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 2);
    const bool empty = state.most[r] == kMasked;
    state.sum[r] = empty ? 0 : state.sum[r];
    state.most[r] = empty ? minus_infinity() : state.most[r] * scale;
  }
}
