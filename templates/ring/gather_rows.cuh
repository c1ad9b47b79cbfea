//@use ring/panels

//# Rows of K or V are copied by eight lanes each, of which one of the warp's lanes knows where it is.

/*
 * Starts copies of kCount panels of four rows, from a chunk of the lane's on, to `to`. A lane's row is that which the
 * lane `owner` knows. Rows that are not there become 0, as do chunks from kChunks on.
 */
template <u32 kCount, u32 kChunks> void gather_rows(const u8 *row, u32 owner, bool is_there, u32 chunk, u32 to) {
  const u8 *from = (const u8 *)__shfl_sync(kAllLanes, (u64)row, owner) + chunk * 16;
#pragma unroll
  for (u32 p = 0; p < kCount; p++)
    copy_async(to + p * (kTeamTokens * kPanelRow), from + p * kPanelRow, is_there && chunk + p * 8 < kChunks);
}
