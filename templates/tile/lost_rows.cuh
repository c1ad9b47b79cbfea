//@use tile/odd_values

//# Which rows are done again since maxima were not looked for (tile/raise_by_sums.cuh).

/* The warp's rows that are done again, by row group: any of four bits is a row's. */
struct LostRows {
  u32 lanes[kRowGroups];

  bool has(u32 row) const {
    return (lanes[row / 8] >> row % 8 * 4 & 15) != 0;
  }

  bool are_some() const {
    return (lanes[0] | lanes[1]) != 0;
  }
};

/* Those whose sums say so, and where O has odd values, which large weights of large V may have made, too. */
LostRows lost_rows(const RowState &state) {
  const bool is_odd = has_odd_values(state.o);
  LostRows lost;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    lost.lanes[r] = __ballot_sync(kAllLanes, is_odd || is_lost(state.sum[r]));
  return lost;
}
