//# Weights that become e4m3, whose largest number is 448. The largest of a row is 2^8, so that few are among the least
//# numbers, which have few digits. O and the sums have that factor until the item is closed.

constexpr float kSlack = 0;
constexpr float kWeightUnit = 1.0f / (1 << kWeightExponent);

//@if changes_scores
/* What a weight is 2 to the power of. Beside an offset of any size the factor would be lost. */
float exponent_of(float score, float scale, float offset) {
  return fmaf(score, scale, -offset) + (float)kWeightExponent;
}
//@else
/* What a weight is 2 to the power of. Larger offsets than 2^13 are taken out before. */
float exponent_of(float score, float scale, float offset) {
  return fmaf(score, scale, (float)kWeightExponent - offset);
}
//@end

/* Scores become weights, exp2(logit - row maximum + 8), summed into the state. */
void weigh(RowState &state, Scores &scores, const float (&offsets)[kRowGroups], const LogitScale &scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = exp2_fast(exponent_of(score, scale.of(r), offsets[r]));
      state.sum[r] += score;
    }
}

/* Adds O of a step, in front of which the rest shrinks. */
void add_output(Output &o, const Output &step, const Shrinks &shrinks) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kShareDims / 4; i++)
      at(o, r, i) = fmaf(at(o, r, i), shrinks.factors[r], at(step, r, i));
}

/* Takes the factor out of O and the sums. */
void close_weights(RowState &state) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] *= kWeightUnit;
    shrink_group(state.o, r, kWeightUnit);
  }
}
