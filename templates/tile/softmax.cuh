//@use ptx/math
//@use query/query
//@use tile/score

/*
 * Stands for minus infinity in scores and maxima: finite, so that a row that has seen nothing needs no special
 * case, and a power of two, so that it is scaled without rounding and such a row's O stays finite.
 */
constexpr float kMasked = -0x1p100f;

constexpr u32 kRowGroups = 2 * kRowBlocks;

/* Dims of O; even and odd octets of a block belong together, see pair_column. */
typedef float Output[kRowBlocks][kHeadDim / 8][4];

/* State of a warp's rows: lane l has row l / 4 + 8 r of the warp's in group r, which is half r % 2 of block r / 2. */
struct RowState {
  float most[kRowGroups]; /* maximum of the unscaled scores */
  float sum[kRowGroups];  /* of this lane's columns, until close_rows */
  Output o;
};

/* The tile's row of group 0 of this lane. */
u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kRowWarps * (16 * kRowBlocks) + thread % 32 / 4;
}

//@if row_warps > 1
/* Whether some row of the warp sees a KV token from `token` on. */
bool sees(const TileRow *rows, int token) {
  int most = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    most = max(most, rows[first_row() + 8 * r].visible);
  return __any_sync(kAllLanes, most > token);
}
//@end

/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
void mask(Scores &scores, const TileRow *rows, int token) {
  const u32 lane = fresh_lane();
  const TileRow *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int seen = first[8 * r].visible - token - (int)(2 * (lane % 4));
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if ((int)(i / 2 * 8 + i % 2) >= seen)
        scores[r / 2][i / 2][r % 2 * 2 + i % 2] = kMasked;
  }
}

/* Turns a score into a base-2 logit. At least 2^-80, as scale_log2 is: masked scores must stay far below others. */
float score_scale(const fi_attention_args &args, int kv_head) {
//@if kv_scale == none
  return args.scale_log2;
//@else
//@if kv_scale == tensor
  const float scale = args.scale_log2 * args.k.scales[0];
//@else
  const float scale = args.scale_log2 * args.k.scales[kv_head];
//@end
  return scale < 0x1p-80f ? 0x1p-80f : scale;
//@end
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
    for (u32 o = 0; o < kTeamTokens / 8; o++)
      most[r] = fmaxf(most[r], fmaxf(scores[r / 2][o][r % 2 * 2], scores[r / 2][o][r % 2 * 2 + 1]));
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
    for (u32 o = 0; o < kHeadDim / 8; o++) {
      state.o[r / 2][o][r % 2 * 2] *= shrink;
      state.o[r / 2][o][r % 2 * 2 + 1] *= shrink;
    }
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
      float &score = scores[r / 2][i / 2][r % 2 * 2 + i % 2];
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
