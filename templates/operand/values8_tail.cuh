//# O by V of 8-bit elements, whose dims are pairs of octets and one more.

constexpr u32 kLastOctet = kVDim / 8 - 1;

/*
 * Elements of dim l / 4 of the last octet, of tokens 2 (l % 4) and + 1 of the two words. Lanes l / 4 < 4 have loaded
 * two dims of these, the others nothing.
 */
u32 octet_in_order(u32 first, u32 second) {
  const u32 from = lane() / 8 * 4 + lane() % 4;
  const u32 parity = lane() / 4 % 2 * 0x1111;
  return __byte_perm(__shfl_sync(kAllLanes, first, from), __shfl_sync(kAllLanes, second, from), 0x6420 + parity);
}

/* O += P V. The last octet has its dims in their own order. */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane(), 0);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++) {
    u32 p[2][kRowBlocks][4];
    pack_two(p, scores, t);
    accumulate_pairs(o, p, from, t);
    u32 last[4];
    load_matrices_transposed(last, chunks_along<kValuePitch>(from, kVDim / 16) + 32 * t * kValuePitch);
#pragma unroll
    for (u32 s = 0; s < 2; s++) {
      const uint2 pairs = convert_four(octet_in_order(last[2 * s], last[2 * s + 1]));
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++)
        mma(o[b][kLastOctet], p[s][b], pairs.x, pairs.y);
    }
  }
}

/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return p == kLastOctet ? 2 * p + half : p / 2 * 4 + p % 2 + 2 * half;
}

u32 pair_column(u32 lane, u32 p) {
  return p == kLastOctet ? 8 * p + 2 * (lane % 4) : p / 2 * 16 + 4 * (lane % 4) + p % 2 * 2;
}
