//@use tile/softmax
//@use operand/convert

/* The A fragments of 16 tokens' probabilities: the layout of two octets of scores is already that of the operand. */
void pack_scores(u32 (&fragment)[4], const Scores &scores, u32 b, u32 t) {
#pragma unroll
  for (u32 h = 0; h < 2; h++) {
    fragment[2 * h] = pack_compute(scores[b][2 * t + h][0], scores[b][2 * t + h][1]);
    fragment[2 * h + 1] = pack_compute(scores[b][2 * t + h][2], scores[b][2 * t + h][3]);
  }
}

//@if kv_bytes == 2
/* O += P V */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + kv_chunk(lane() % 16, lane() / 16);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++) {
    u32 p[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_scores(p[b], scores, b, t);
#pragma unroll
    for (u32 i = 0; i < kDimBlocks; i++) {
      u32 v[4]; /* dims 16 i .. + 7 of tokens 16 t .. + 7 and + 8 .. + 15, then dims + 8 .. + 15 of both */
      load_matrices_transposed(v, kv_along(from, 2 * i) + 16 * t * kKvPitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(o[b][2 * i], p[b], v[0], v[1]);
        mma(o[b][2 * i + 1], p[b], v[2], v[3]);
      }
    }
  }
}

/* Pair p of row group r: two values that lie next to each other in the row, and their column. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  return make_float2(o[r / 2][p][r % 2 * 2], o[r / 2][p][r % 2 * 2 + 1]);
}

u32 pair_column(u32 lane, u32 p) {
  return 8 * p + 2 * (lane % 4);
}
//@else
/*
 * O += P V. The transposing load works on pairs of dims: word m holds dims 2 (l / 4) and + 1 of tokens 8 m + 2 (l
 * % 4) and + 1. Even and odd dims are separated by a byte permutation and go to the even and odd octets of O.
 */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + kv_chunk(lane(), 0);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++) {
    u32 p[2][kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++) {
      pack_scores(p[0][b], scores, b, 2 * t);
      pack_scores(p[1][b], scores, b, 2 * t + 1);
    }
#pragma unroll
    for (u32 i = 0; i < kDimBlocks; i++) {
      u32 v[4];
      load_matrices_transposed(v, kv_along(from, i) + 32 * t * kKvPitch);
#pragma unroll
      for (u32 s = 0; s < 2; s++) {
        const uint2 even = f16_of_fp8(__byte_perm(v[2 * s], v[2 * s + 1], 0x6420));
        const uint2 odd = f16_of_fp8(__byte_perm(v[2 * s], v[2 * s + 1], 0x7531));
#pragma unroll
        for (u32 b = 0; b < kRowBlocks; b++) {
          mma(o[b][2 * i], p[s][b], even.x, even.y);
          mma(o[b][2 * i + 1], p[s][b], odd.x, odd.y);
        }
      }
    }
  }
}

/* Pair p of row group r: two values that lie next to each other in the row, and their column. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  const u32 e = r % 2 * 2 + p % 2;
  return make_float2(o[r / 2][p / 2 * 2][e], o[r / 2][p / 2 * 2 + 1][e]);
}

u32 pair_column(u32 lane, u32 p) {
  return p / 2 * 16 + 4 * (lane % 4) + p % 2 * 2;
}
//@end
