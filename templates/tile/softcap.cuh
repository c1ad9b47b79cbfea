//@use ptx/math
//@use tile/rows

//# Caps: a scaled score x becomes c tanh(x / c).

//@if softcap
/*
 * The cap of a score of any size. tanh(y) is 1 - 2 / (1 + exp(2 y)), and the scale has the factors that make 2 y of a
 * score, to base 2. That takes two functions of the special function unit; tanh.approx would be one, but is off by
 * 2^-11 of the cap.
 */
struct RowCap {
  float scale;
  float cap_log2;

  /* The base-2 logit of a score with what is added to it. */
  float logit(float score, float added) const {
    const float least = reciprocal_fast(1 + exp2_fast(score * scale));
    return fmaf(cap_log2, fmaf(-2, least, 1), added);
  }
};

/*
 * tanh(t / (2 log2(e))) / t by powers of t t, within 2.4e-6 of it where t is below kSmall, so that scores up to 0.6 of
 * the cap need no special function: it is the polynomial of its degree whose largest relative error is least.
 */
constexpr float kSmall = 1.75f;
constexpr float kTanh[] = {0x1.62e3fap-2f, -0x1.c66916p-7f, 0x1.5607c4p-11f, -0x1.9a0e14p-16f};
constexpr int kTanhPowers = sizeof kTanh / sizeof *kTanh;

/* Where no power of scores and no factor leaves the range of floats, with caps up to 10000. */
constexpr float kLargestScore = 0x1p15f;
constexpr float kLargestScale = 16;

//@if family == wgmma && q_dtype != e4m3 && token_scales == 0 && prefixes == 0 && threads > 384
/* The cap of small scores: a polynomial of scores as they are, whose factors have the scale and the cap. */
struct SmallCap {
  float factors[kTanhPowers];

  SmallCap(float scale, float cap_log2) {
    float power = cap_log2 * scale;
#pragma unroll
    for (int i = 0; i < kTanhPowers; i++) {
      factors[i] = kTanh[i] * power;
      power *= scale * scale;
    }
  }

  float logit(float score, float added) const {
    const float square = score * score;
    float capped = factors[kTanhPowers - 1];
#pragma unroll
    for (int i = kTanhPowers - 2; i >= 0; i--)
      capped = fmaf(capped, square, factors[i]);
    return fmaf(score, capped, added);
  }
};

/*
 * Whether all scores of the warp are small when scaled. Its rows must not be of several requests, which would change
 * each other's bits.
 */
bool are_small(const Scores &scores, const ScoreScale &scale) {
  bool small = true;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    float most = 0;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      most = fmaxf(most, fabsf(at(scores, r, i)));
    small &= most * scale.of(r) < kSmall && most < kLargestScore && scale.of(r) < kLargestScale;
  }
  return __all_sync(kAllLanes, small);
}
//@end
//@else
/* There is no cap. */
struct RowCap {
  float scale;
  float cap_log2;

  /* The base-2 logit of a score with what is added to it. */
  float logit(float score, float added) const {
    return fmaf(score, scale, added);
  }
};
//@end
