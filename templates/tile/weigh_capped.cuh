//# Weights of scores that have a cap and are small.

/* As kTanh, by two powers, within 2.4e-5 up to 0.2 of the cap: logits below kLow make weights good for 16 bits. */
constexpr float kSmaller = 0.5625f;
constexpr float kShortTanh[] = {0x1.62e206p-2f, -0x1.bfdcf8p-7f};
constexpr float kLow = 16;

/* The largest magnitude of a row's scores below 0, where there are any. */
float least_score(const Scores &scores, u32 group) {
  u32 most = 0;
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 4; i += 2)
    most = max(max(most, __float_as_uint(at(scores, group, i))), __float_as_uint(at(scores, group, i + 1)));
  return fabsf(__uint_as_float(most));
}

/* Scores become weights by a polynomial of them. */
template <int kPowers>
void weigh_capped(RowState &state, Scores &scores, const float (&tanh)[kPowers], const ScoreScale &scale,
                  float cap_log2) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    float factors[kPowers];
    float power = cap_log2 * scale.of(r);
#pragma unroll
    for (int k = 0; k < kPowers; k++) {
      factors[k] = tanh[k] * power;
      power *= scale.of(r) * scale.of(r);
    }
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      const float square = score * score;
      float capped = factors[kPowers - 1];
#pragma unroll
      for (int k = kPowers - 2; k >= 0; k--)
        capped = fmaf(capped, square, factors[k]);
      score = exp2_fast(fmaf(score, capped, -state.most[r]));
      state.sum[r] += score;
    }
  }
}

//@if family == wgmma
bool weigh_small(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool small) {
  if (!__all_sync(kAllLanes, small))
    return false;
  weigh_capped(state, scores, kTanh, scale, cap_log2);
  return true;
}
//@else
/* By mma.sync there are no registers for it. */
bool weigh_small(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool small) {
  return false;
}
//@end

/* Scores become weights at once where they are small, all are seen, and none lifts a maximum. */
bool weigh_at_once(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool all_seen) {
  bool small = all_seen;
  bool smaller = true;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float largest = largest_score(scores, r);
    const float size = fmaxf(largest, least_score(scores, r));
    const float rise = kShortTanh[0] * cap_log2 * scale.of(r); /* a cap only lowers what it is by this */
    small &= size < kLargestScore && scale.of(r) < kLargestScale && fabsf(state.most[r]) <= kLargestMost &&
             size * scale.of(r) < kSmall && fmaf(largest, rise, -state.most[r]) <= kSlack;
    smaller &= size * scale.of(r) < kSmaller && size * rise < kLow;
  }
  if (!__all_sync(kAllLanes, small && smaller))
    return weigh_small(state, scores, scale, cap_log2, small);
  weigh_capped(state, scores, kShortTanh, scale, cap_log2);
  return true;
}
