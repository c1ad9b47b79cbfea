//@use ring/stages
//@use ptx/memory
//@use ptx/matrices
//@use tile/rows

//# O by V of 16-bit elements, whose dims are pairs of octets and one more.

/* O += P V. */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane() % 16, lane() / 16);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++) {
    u32 p[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_operand(p[b], scores, b, t);
#pragma unroll
    for (u32 i = 0; i < kVDim / 16; i++) {
      u32 v[4]; /* dims 16 i .. + 7 of tokens 16 t .. + 7 and + 8 .. + 15, then dims + 8 .. + 15 of both */
      load_matrices_transposed(v, chunks_along<kValuePitch>(from, 2 * i) + 16 * t * kValuePitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(o[b][2 * i], p[b], v[0], v[1]);
        mma(o[b][2 * i + 1], p[b], v[2], v[3]);
      }
    }
    u32 last[2]; /* the last 8 dims of the same tokens */
    load_two_matrices_transposed(last, chunks_along<kValuePitch>(from, kVDim / 8 - 1) + 16 * t * kValuePitch);
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      mma(o[b][kVDim / 8 - 1], p[b], last[0], last[1]);
  }
}
