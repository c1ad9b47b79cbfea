//@use tile/teams
//@use tile/fragment
//@use tile_records

//# The rows of a warp.

/* A warp's row groups: 8 rows each, of which a lane has one. */
constexpr u32 kRowGroups = 2 * kRowBlocks;

/* Scores of a warp's rows against the team's tokens. */
typedef float Scores[kRowBlocks][kTeamTokens / 8][4];

/* O of a warp's rows: its share of the dims, in the order of the operand V (pair_column). */
constexpr u32 kShareDims = kVDim / kValueWarps;

typedef float Output[kRowBlocks][kShareDims / 8][4];

/* The query head of row `row` of a tile or unit. */
u32 query_head(int kv_head, u32 row) {
  return kv_head * kGroup + row % kGroup;
}

//@if family == wgmma && value_warps > 1
/* The tile's row of group 0 of this lane: every warpgroup has all rows. */
u32 first_row() {
  return fresh_thread() % 128 / 32 * 16 + fresh_thread() % 32 / 4;
}

/* The first dim of the share of O that the warp's warpgroup has. */
u32 first_dim() {
  return fresh_thread() / 128 * kShareDims;
}
//@else
/* The tile's row of group 0 of this lane. */
u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kTeamWarps / kValueWarps * (16 * kRowBlocks) + thread % 32 / 4;
}

/* The first dim of the warp's share of O. */
u32 first_dim() {
  return kValueWarps == 1 ? 0 : fresh_thread() / 32 % kValueWarps * kShareDims;
}

//@end

/* Whether the lane writes what is once a row: it has the first of its columns. */
bool has_row_end(u32 lane) {
  return lane % 4 == 0 && first_dim() == 0;
}
