//@use ptx/math
//@use tile/rows
//@use tile/logits

/* State of a warp's rows, by row group. */
struct RowState {
  float most[kRowGroups]; /* largest score; from close_rows on what states are joined by */
  float sum[kRowGroups];  /* of this lane's columns, until close_rows */
  Output o;
};

/* The maximum of a row that has seen nothing: below all scores, but finite, so that differences to it are defined. */
constexpr float kNothing = -0x1.fffffep127f;

/* The state of rows that have seen nothing yet. */
void open_rows(RowState &state) {
  state = {};
#pragma unroll
  for (float &most : state.most)
    most = kNothing;
}

/* What one more token means for a row alone: a factor of its O so far, and the weight of the token's V. */
struct TokenWeight {
  float shrink;
  float weight;
};

/* O of a row group shrinks by a factor, now. */
void shrink_group(Output &o, u32 group, float factor) {
#pragma unroll
  for (u32 i = 0; i < kShareDims / 4; i++)
    at(o, group, i) *= factor;
}

/* By what O must shrink, by row group, where it is in use. */
struct Shrinks {
  float factors[kRowGroups];
};

void shrink_group(Shrinks &shrinks, u32 group, float factor) {
  shrinks.factors[group] = factor;
}

void shrink_output(Output &o, const Shrinks &shrinks) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    shrink_group(o, r, shrinks.factors[r]);
}

//@if snippet == weight
//@use tile/plain_weights
//@else
//@if weight_exponent > 0
//@use tile/narrow_weights
//@else
//@use tile/hide_late
/* How far (base-2 logits) a row's scores may exceed its maximum: their probabilities, at most 2^8, fit f16. */
constexpr float kSlack = 8;
//@end

/* The maximum of a row, in which the lane's new scores are counted. */
float count_in(float most, const Scores &scores, u32 group) {
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 4; i += 2)
    most = fmaxf(most, fmaxf(at(scores, group, i), at(scores, group, i + 1)));
  return most;
}

/* That of all scores: four lanes share a row. */
float join_lanes(float most) {
  most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
  return fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
}

//@if weight_exponent > 0
//@use tile/raise_all_maxima
//@else
//@if prefixes
constexpr bool kMovesAlone = true; /* rows may be of several requests: what is done to one is up to it alone */
//@else
constexpr bool kMovesAlone = false; /* all rows of a warp move when one does */
//@end

/* The largest of a row's scores, or 0: integers have the order of floats from 0 on, and three are compared at once. */
float largest_score(const Scores &scores, u32 group) {
  int most = 0;
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 4; i += 2)
    most = max(max(most, __float_as_int(at(scores, group, i))), __float_as_int(at(scores, group, i + 1)));
  return __int_as_float(most);
}

//@if weighs_at_once || bias != none || team_tokens < 64
/* Asking gains nothing of few scores, of logits far below 0, or where those that lift none are weights already. */
bool may_rise(const RowState &state, const Scores &scores, const float (&offsets)[kRowGroups],
              const LogitScale &scale) {
  return true;
}
//@else
/*
 * Whether some row of the warp may have to be lifted: where one is far below 0, in vain. A score that is NaN may hide
 * others.
 */
bool may_rise(const RowState &state, const Scores &scores, const float (&offsets)[kRowGroups],
              const LogitScale &scale) {
  bool may = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    may |= !((largest_score(scores, r) - state.most[r]) * scale.of(r) <= kSlack) || is_large(offsets[r]);
  return __any_sync(kAllLanes, may);
}
//@end

/*
 * Lifts the rows' maxima to those of the new scores, and rescales O, or tells by what, and sums by it, if some row of
 * the warp has scores that exceed its maximum by more than the slack, or large logits; returns whether one has. Each
 * lane asks this of the scores that it has, and only then do they join them. The offsets are what is to be taken off
 * logits.
 */
template <typename Shrunk>
bool raise_maxima(RowState &state, Scores &scores, float (&offsets)[kRowGroups], Shrunk &shrunk,
                  const LogitScale &scale, const LateBits &bits) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    offsets[r] = state.most[r] * scale.of(r);
  if (!may_rise(state, scores, offsets, scale))
    return false;
  hide_late(scores, bits);
  float most[kRowGroups];
  bool moved = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = count_in(state.most[r], scores, r);
    const bool moves = (most[r] - state.most[r]) * scale.of(r) > kSlack || is_large(offsets[r]);
    if constexpr (kMovesAlone)
      most[r] = moves ? most[r] : state.most[r];
    moved |= moves;
  }
  if (!__any_sync(kAllLanes, moved))
    return false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = join_lanes(most[r]);
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
//@end

//@if token_scales
/*
 * Scores become exp2(logit - row maximum), weights of the stored elements of V. What is summed into the state are the
 * weights of its tokens.
 */
void weigh(RowState &state, Scores &scores, const float (&offsets)[kRowGroups], const LogitScale &scale) {
  const token_worth *worths = token_worths() + first_column(fresh_lane());
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = exp2_fast(fmaf(score, scale.of(r), -offsets[r]));
      state.sum[r] = fmaf(score, worths[column_step(i)].value_inverse, state.sum[r]);
    }
  }
}
//@else
//@if weight_exponent == 0
/* Scores become weights, exp2(logit - row maximum), summed into the state. */
void weigh(RowState &state, Scores &scores, const float (&offsets)[kRowGroups], const LogitScale &scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = exp2_fast(fmaf(score, scale.of(r), -offsets[r]));
      state.sum[r] += score;
    }
  }
}
//@end
//@end

//@if weight_exponent == 0
/* The online softmax. Whether O shrinks, which is done or told in `shrunk`. */
template <typename Shrunk>
bool softmax(RowState &state, Scores &scores, Shrunk &shrunk, const LogitScale &scale, const LateBits &bits) {
  float offsets[kRowGroups];
  const bool shrinks = raise_maxima(state, scores, offsets, shrunk, scale, bits);
  hide_late(scores, bits);
  weigh(state, scores, offsets, scale);
  return shrinks;
}
//@end

/*
 * Closes an item: sums over all columns, maxima that states are joined by, -infinity for rows that saw nothing. Maxima
 * are not logits yet: these may be too large for a float, or for differences of them to mean anything.
 */
void close_rows(RowState &state, const tile_row *rows) {
  const tile_row *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 1); /* all lanes, whichever rows are empty */
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 2);
    state.most[r] = state.sum[r] == 0 ? minus_infinity() : joined_score(state.most[r], first[8 * r]);
  }
}

/* Takes one more score, which `scale` makes a base-2 logit, into the maximum and the sum of a row alone. */
TokenWeight weigh_token(float &most, float &sum, float score, float scale) {
  const float higher = fmaxf(most, score);
  const float shrink = exp2_fast((most - higher) * scale);
  const float weight = exp2_fast((score - higher) * scale);
  most = higher;
  sum = fmaf(sum, shrink, weight);
  return {shrink, weight};
}
//@end
