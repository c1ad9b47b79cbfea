//@use ring/stages
//@use ptx/memory
//@use ptx/matrices
//@use tile/rows

//# O by V of 8-bit elements, each of which is converted once, in registers.

/*
 * O += P V of 32 tokens, for pairs of octets of the warp's share of the dims. The transposing load works on pairs of
 * dims: word m holds dims 2 (l / 4) and + 1 of tokens 8 m + 2 (l % 4) and + 1. Even and odd dims are separated by a
 * byte permutation and go to the even and odd octets of O.
 */
void accumulate_pairs(Output &o, const u32 (&p)[2][kRowBlocks][4], u32 share, u32 t) {
#pragma unroll
  for (u32 i = 0; i < kShareDims / 16; i++) {
    u32 v[4];
    load_matrices_transposed(v, chunks_along<kValuePitch>(share, i) + 32 * t * kValuePitch);
#pragma unroll
    for (u32 s = 0; s < 2; s++) {
      const uint2 even = convert_four(__byte_perm(v[2 * s], v[2 * s + 1], 0x6420));
      const uint2 odd = convert_four(__byte_perm(v[2 * s], v[2 * s + 1], 0x7531));
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(o[b][2 * i], p[s][b], even.x, even.y);
        mma(o[b][2 * i + 1], p[s][b], odd.x, odd.y);
      }
    }
  }
}

//@if v_tail
//@use operand/values8_tail
//@else
/* O += P V, for the warp's share of the dims. */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane(), 0);
  const u32 share = chunks_along<kValuePitch>(from, value_share() * (kShareDims / 16));
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++) {
    u32 p[2][kRowBlocks][4];
    pack_two(p, scores, t);
    accumulate_pairs(o, p, share, t);
  }
}

//@use operand/pairs8
//@end
