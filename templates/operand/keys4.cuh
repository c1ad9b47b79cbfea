//@use ring/stages
//@use query/tile
//@use ptx/memory
//@use ptx/matrices

//# Scores by K of 4-bit elements, each of which is converted once, in registers.

/*
 * Fragment of 16 rows and the 16 dims of block `block`: half of those of a block of 32, of which a lane has 8 from
 * 8 (l % 4) on. Word w has row l / 4 + 8 (w % 2) and, of these 8, p and p + 4, where p is w / 2, and 2 more in the
 * second half: as pairs of 4-bit elements are converted.
 */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 row = first_row + lane() / 4;
  const u32 from = shared_address(query) + chunk_at<kQueryPitch>(row, block / 2 * 4 + lane() % 4) + block % 2 * 4;
#pragma unroll
  for (u32 w = 0; w < 4; w++) {
    const u32 at = from + chunk_at<kQueryPitch>(8 * (w % 2), 0);
    fragment[w] = __byte_perm(load_word(at), load_word(at + 8), w < 2 ? 0x5410 : 0x7632);
  }
}

//@use query/fragments

/* scores += Q K^T, for rows of K of kPitch bytes. */
template <u32 kPitch> void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + chunk_at<kPitch>(lane(), 0);
#pragma unroll kQueryUnroll
  for (u32 i = 0; i < kQueryBlocks / 2; i++) {
    QueryBlock rooms[2];
    const QueryBlock &first = query_block(rooms[0], query, 2 * i);
    const QueryBlock &second = query_block(rooms[1], query, 2 * i + 1);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 32; t++) {
      u32 k[4]; /* word m: token 32 t + 8 m + l / 4, dims 32 i + 8 (l % 4) .. + 7 */
      load_matrices(k, chunks_along<kPitch>(from, i) + 32 * t * kPitch);
#pragma unroll
      for (u32 m = 0; m < 4; m++) {
        const u32 scales = key_scales(keys, 32 * t + 8 * m + lane() / 4, 32 * i + 8 * (lane() % 4));
        u32 pairs[4];
#pragma unroll
        for (u32 p = 0; p < 4; p++)
          pairs[p] = scaled_pair(k[m], p, scales);
#pragma unroll
        for (u32 b = 0; b < kRowBlocks; b++) {
          mma(scores[b][4 * t + m], first[b], pairs[0], pairs[1]);
          mma(scores[b][4 * t + m], second[b], pairs[2], pairs[3]);
        }
      }
    }
  }
}
