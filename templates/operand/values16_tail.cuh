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
    accumulate_pairs(o, p, from, t);
    u32 last[2]; /* the last 8 dims of the same tokens */
    load_two_matrices_transposed(last, chunks_along<kValuePitch>(from, kVDim / 8 - 1) + 16 * t * kValuePitch);
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      mma(o[b][kVDim / 8 - 1], p[b], last[0], last[1]);
  }
}
