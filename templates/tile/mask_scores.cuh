//@use tile/rows
//@use ptx/math

//# Masks by accumulator element.

//@if row_warps > 1
//@if has_intervals
/* Whether some row of the warp sees one of the step's KV tokens, from `token` on. */
bool some_visible(const tile_row *rows, int token) {
  bool some = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const tile_row &row = rows[first_row() + 8 * r];
    some |= row.visible > token && row.first < token + (int)kTeamTokens;
  }
  return __any_sync(kAllLanes, some);
}
//@else
/* Whether some row of the warp sees a KV token from `token` on. */
bool some_visible(const tile_row *rows, int token) {
  int most = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    most = max(most, rows[first_row() + 8 * r].visible);
  return __any_sync(kAllLanes, most > token);
}
//@end
//@else
/* Whether some row of the warp sees a KV token from `token` on: it has all rows, for which the item was made. */
bool some_visible(const tile_row *rows, int token) {
  return true;
}
//@end

//@if has_intervals
/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
void mask_scores(Scores &scores, const tile_row *rows, int token) {
  const u32 lane = fresh_lane();
  const tile_row *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int begin = first[8 * r].first - token - (int)first_column(lane);
    const int end = first[8 * r].visible - token - (int)first_column(lane);
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if ((int)column_step(i) < begin || (int)column_step(i) >= end)
        at(scores, r, i) = minus_infinity();
  }
}
//@else
/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
void mask_scores(Scores &scores, const tile_row *rows, int token) {
  const u32 lane = fresh_lane();
  const tile_row *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int seen = first[8 * r].visible - token - (int)first_column(lane);
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if ((int)column_step(i) >= seen)
        at(scores, r, i) = minus_infinity();
  }
}
//@end
