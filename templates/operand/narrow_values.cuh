//@use ring/stages
//@use ptx/memory
//@use ptx/matrices
//@use tile/rows
//@use tile/softmax
//@use operand/weights8

//# O by V of e4m3, which products take as it is. Matrix units sum products of 8 bits with few digits (Ada: about 14
//# bits), so that O of each step is summed alone, and added to the rest in float.

/* Adds O of a step, of the octet `octet` of block b, in front of which the rest shrinks. */
void add_octet(Output &o, const float (&step)[4], const Shrinks &shrinks, u32 b, u32 octet) {
#pragma unroll
  for (u32 e = 0; e < 4; e++)
    o[b][octet][e] = fmaf(o[b][octet][e], shrinks.factors[2 * b + e / 2], step[e]);
}

/*
 * O shrinks, and O of the step is added. The transposing load works on pairs of dims: word m holds dims 2 (l / 4) and
 * + 1 of tokens 8 m + 2 (l % 4) and + 1. A byte permutation of two words has four tokens of a dim, in the order of the
 * weights. Even and odd dims go to the even and odd octets of O.
 */
void accumulate(Output &o, const Scores &scores, const Shrinks &shrinks, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane(), 0);
  u32 p[kTeamTokens / 32][kRowBlocks][4];
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++)
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_weights(p[t][b], scores, b, t);
#pragma unroll
  for (u32 i = 0; i < kVDim / 16; i++) {
    float even[kRowBlocks][4] = {};
    float odd[kRowBlocks][4] = {};
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 32; t++) {
      u32 v[4];
      load_matrices_transposed(v, chunks_along<kValuePitch>(from, i) + 32 * t * kValuePitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(even[b], p[t][b], __byte_perm(v[0], v[1], 0x6420), __byte_perm(v[2], v[3], 0x6420));
        mma(odd[b], p[t][b], __byte_perm(v[0], v[1], 0x7531), __byte_perm(v[2], v[3], 0x7531));
      }
    }
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++) {
      add_octet(o, even[b], shrinks, b, 2 * i);
      add_octet(o, odd[b], shrinks, b, 2 * i + 1);
    }
  }
}

//@use operand/pairs8
