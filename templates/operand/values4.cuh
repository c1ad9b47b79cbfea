//@use ring/stages
//@use ptx/memory
//@use ptx/matrices
//@use tile/rows
//@use operand/nibbles_{v_dtype}

//# O by V of 4-bit elements, each of which is converted once, in registers.

/* The scales of groups of V of two tokens of a tile, one after the other, that have element `dim`. */
u32 value_scales(const u8 *values, u32 token, u32 dim) {
  const u8 *scales = values - kValuesAt + kValueScalesAt;
  const u8 *at = scales + token * kValueScaleBytes + dim / kScaleGroup * kValueScaleElement;
  return scale_pair(at, at + kValueScaleBytes);
}

/*
 * O += P V, for the warp's share of the dims. The transposing load works on four dims at once: word m holds dims
 * 4 (l / 4) .. + 3 of tokens 8 m + 2 (l % 4) and + 1. Elements p and p + 4 of a word are then dim p of both, and go to
 * octet p of four.
 */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane(), 0);
  const u32 share = chunks_along<kValuePitch>(from, value_share() * (kShareDims / 32));
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++) {
    u32 p[2][kRowBlocks][4];
    pack_two(p, scores, t);
#pragma unroll
    for (u32 i = 0; i < kShareDims / 32; i++) {
      const u32 dim = value_share() * kShareDims + 32 * i + 4 * (lane() / 4);
      u32 v[4];
      load_matrices_transposed(v, chunks_along<kValuePitch>(share, i) + 32 * t * kValuePitch);
#pragma unroll
      for (u32 s = 0; s < 2; s++) {
        const u32 token = 32 * t + 16 * s + 2 * (lane() % 4);
        const u32 first = value_scales(values, token, dim);
        const u32 second = value_scales(values, token + 8, dim);
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
          const u32 low = scaled_pair(v[2 * s], q, first);
          const u32 high = scaled_pair(v[2 * s + 1], q, second);
#pragma unroll
          for (u32 b = 0; b < kRowBlocks; b++)
            mma(o[b][4 * i + q], p[s][b], low, high);
        }
      }
    }
  }
}

/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return p / 4 * 8 + 2 * (p % 2 * 2 + half) + p % 4 / 2;
}

u32 pair_column(u32 lane, u32 p) {
  return p / 4 * 32 + 8 * (lane % 4) + p % 4 * 2;
}
