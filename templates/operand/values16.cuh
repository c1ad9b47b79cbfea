//@use ring/stages
//@use ptx/memory
//@use ptx/matrices
//@use tile/rows

//# O by V of 16-bit elements.

/* O += P V of 16 tokens, whose weights are packed, for pairs of octets of the warp's share of the dims. */
void accumulate_pairs(Output &o, const u32 (&p)[kRowBlocks][4], u32 share, u32 t) {
#pragma unroll
  for (u32 i = 0; i < kShareDims / 16; i++) {
    u32 v[4]; /* dims 16 i .. + 7 of tokens 16 t .. + 7 and + 8 .. + 15, then dims + 8 .. + 15 of both */
    load_matrices_transposed(v, chunks_along<kValuePitch>(share, 2 * i) + 16 * t * kValuePitch);
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++) {
      mma(o[b][2 * i], p[b], v[0], v[1]);
      mma(o[b][2 * i + 1], p[b], v[2], v[3]);
    }
  }
}

//@if v_tail
//@use operand/values16_tail
//@else
/* O += P V, for the warp's share of the dims. */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane() % 16, lane() / 16);
  const u32 share = chunks_along<kValuePitch>(from, value_share() * (kShareDims / 8));
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++) {
    u32 p[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_operand(p[b], scores, b, t);
    accumulate_pairs(o, p, share, t);
  }
}
//@end

//@use operand/pairs16
