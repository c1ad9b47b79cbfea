//@use ring/stages
//@use query/tile
//@use ptx/memory
//@use ptx/matrices

//# Scores by K of 16-bit elements, whose dims are blocks of 16 and 8 more. These are a block whose other half is zeros
//# in the registers: in memory the next row begins there.

constexpr u32 kWholeBlocks = kQkDim / 16;

/* Fragment of 16 rows and the 16 dims of block `block`: word w has rows l / 4 + 8 (w % 2) and dims from 8 (w / 2). */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + chunk_at<kQueryPitch>(lane() % 16, lane() / 16);
  const u32 address = from + chunk_at<kQueryPitch>(first_row, 2 * block);
  if (block < kWholeBlocks)
    return load_matrices(fragment, address);
  u32 half[2];
  load_two_matrices(half, address);
  fragment[0] = half[0];
  fragment[1] = half[1];
  fragment[2] = 0;
  fragment[3] = 0;
}

//@use query/fragments

/*
 * Fragments of K of the 16 dims of block `block` and of tokens 16 t and on: words 0 and 1 have the first and the last 8
 * dims of the first 8 tokens, words 2 and 3 those of the others.
 */
template <u32 kPitch> void load_key_fragments(u32 (&k)[4], u32 keys, u32 block, u32 t) {
  const u32 tokens = keys + 16 * t * kPitch;
  const u32 whole = tokens + chunk_at<kPitch>(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
  if (block < kWholeBlocks)
    return load_matrices(k, chunks_along<kPitch>(whole, 2 * block));
  u32 half[2];
  load_two_matrices(half, chunks_along<kPitch>(tokens + chunk_at<kPitch>(lane() % 16, 0), 2 * block));
  k[0] = half[0];
  k[1] = 0;
  k[2] = half[1];
  k[3] = 0;
}

/* scores += Q K^T, for rows of K of kPitch bytes. */
template <u32 kPitch> void score(Scores &scores, const Query &query, const u8 *keys) {
#pragma unroll kQueryUnroll
  for (u32 i = 0; i < kQueryBlocks; i++) {
    QueryBlock room;
    const QueryBlock &q = query_block(room, query, i);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4];
      load_key_fragments<kPitch>(k, shared_address(keys), i, t);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}
