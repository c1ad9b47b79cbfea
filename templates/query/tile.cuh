//@use ring/stages

//# The tile of Q in shared memory: rows of 16-bit elements, or of e4m3 where products are.

//@if family == mma && weight_exponent > 0
constexpr u32 kQueryChunks = kQkDim / 16;
//@else
constexpr u32 kQueryChunks = kQkDim / 8;
//@end

//@if family == wgmma
//@use ring/panels
/* Where 16-byte chunk `chunk` of row `row` is in the tile. */
u32 query_offset(u32 row, u32 chunk) {
  return panel_chunk<kRows>(row, chunk);
}
//@else
/* Where 16-byte chunk `chunk` of row `row` is in the tile. */
u32 query_offset(u32 row, u32 chunk) {
  return chunk_at<kQueryPitch>(row, chunk);
}
//@end

u8 *query_tile(u8 *shared) {
  return shared + kSharedQuery;
}
