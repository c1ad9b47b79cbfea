//@use ring/stages
//@use query/tile
//@use ptx/memory
//@use ptx/matrices

//# Scores by K of 8-bit elements, each of which is converted once, in registers.

//@if qk_tail
//@use operand/keys8_tail
//@else
/*
 * Fragment of 16 rows and the 16 dims of block `block`: words w and w + 2 have row l / 4 + 8 w and dims 4 (l % 4)
 * .. + 3, as K fragments of 8-bit elements have them.
 */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 row = first_row + lane() / 4;
  const u32 from = shared_address(query) + chunk_at<kQueryPitch>(row, 2 * block) + lane() % 4 * 8;
#pragma unroll
  for (u32 w = 0; w < 4; w++)
    fragment[w] = load_word(from + chunk_at<kQueryPitch>(8 * (w % 2), 0) + 4 * (w / 2));
}

//@use query/fragments

/* scores += Q K^T, for rows of K of kPitch bytes. */
template <u32 kPitch> void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + chunk_at<kPitch>(lane(), 0);
#pragma unroll kQueryUnroll
  for (u32 i = 0; i < kQueryBlocks; i++) {
    QueryBlock room;
    const QueryBlock &q = query_block(room, query, i);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 32; t++) {
      u32 k[4]; /* word m: token 32 t + 8 m + l / 4, dims 16 i + 4 (l % 4) .. + 3 */
      load_matrices(k, chunks_along<kPitch>(from, i) + 32 * t * kPitch);
#pragma unroll
      for (u32 m = 0; m < 4; m++) {
        const uint2 pairs = convert_four(k[m]);
#pragma unroll
        for (u32 b = 0; b < kRowBlocks; b++)
          mma(scores[b][4 * t + m], q[b], pairs.x, pairs.y);
      }
    }
  }
}
//@end
