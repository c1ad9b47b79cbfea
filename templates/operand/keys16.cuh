//@use ring/stages
//@use query/tile
//@use ptx/memory
//@use ptx/matrices

//# Scores by K as products take it: of 16-bit elements, as they are stored or after rotation, or of e4m3.

//@if qk_tail
//@use operand/keys16_tail
//@else
/* Fragment of 16 rows and the two chunks of block `block`: word w has rows l / 4 + 8 (w % 2) of chunk w / 2. */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + chunk_at<kQueryPitch>(lane() % 16, lane() / 16);
  load_matrices(fragment, from + chunk_at<kQueryPitch>(first_row, 2 * block));
}

//@use query/fragments

/* scores += Q K^T, for rows of K of kPitch bytes. */
template <u32 kPitch> void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + chunk_at<kPitch>(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
#pragma unroll kQueryUnroll
  for (u32 i = 0; i < kQueryBlocks; i++) {
    QueryBlock room;
    const QueryBlock &q = query_block(room, query, i);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4]; /* tokens 16 t .. + 7 of chunks 2 i and 2 i + 1, then tokens + 8 .. + 15 of both */
      load_matrices(k, chunks_along<kPitch>(from, 2 * i) + 16 * t * kPitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}
//@end
