//@use tile/softmax
//@use tile/pairs
//@use tile/partials
//@use ring/stages
//@use work/item

//# Teams split the KV: their O, maxima and sums meet in shared memory before they leave the CTA.

/* Maximum (see joined_score) and sum of each row of each team. */
typedef float2 TeamState[kRows];

/*
 * Where column `column` of a row lies in a team's area. Rows are turned against each other by 8 columns, so that the
 * eight rows of a fragment use different banks.
 */
u32 exchange_column(u32 row, u32 column) {
  return row * kVDim + (column + row * 8) % kVDim;
}

/* Writes the warp's rows, of the tile's `row_count`, to its team's area. */
void exchange_rows(const RowState &state, u32 row_count, float *area, TeamState &team_state) {
  const u32 lane = fresh_lane();
  const u32 first = first_dim();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= row_count)
      continue;
#pragma unroll
    for (u32 p = 0; p < kShareDims / 8; p++)
      *(float2 *)(area + exchange_column(row, first + pair_column(lane, p))) = pair_of(state.o, r, p);
    if (has_row_end(lane))
      team_state[row] = make_float2(state.most[r], state.sum[r]);
  }
}

//@if wide_dims > 0
constexpr u32 kAreaBytes = kTeamTokens * kScorePitch; /* from a team's area to the next one's */

/* Teams' areas are their tiles of converted K. */
u8 *team_areas(u8 *shared, u32 free_stage) {
  return shared + kSharedRotated;
}
//@else
constexpr u32 kAreaBytes = kRingBytes; /* from a team's area to the next one's */

/* Teams' areas are a stage of their rings that is free. */
u8 *team_areas(u8 *shared, u32 free_stage) {
  return stage_of(shared, 0, free_stage);
}
//@end

/* Writes the item's rows to O, or as a partial. */
void publish(Cta threads, const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *shared,
             u32 free_stage) {
  const fi_item &item = tile.item;
  const u32 rows = item.row_count * kGroup;
  u8 *areas = team_areas(shared, free_stage);
  TeamState *states = (TeamState *)(shared + kSharedState);
  team_threads().sync();
  exchange_rows(state, rows, (float *)(areas + team() * kAreaBytes), states[team()]);
  const float scale = joined_scale(args, item.kv_head);
  threads.sync();
#pragma unroll 1
  for (u32 i = threads.number(); i < rows * kRowThreads<1>; i += kThreads) {
    const u32 row = i / kRowThreads<1>;
    const u32 column = i % kRowThreads<1> * 4;
    const float *values = (const float *)areas + exchange_column(row, column);
    const RowEnd end = row_end(args, tile.rows[row].token, item.kv_head, row); /* asked for before the join */
    const Partial<1> part = join<kTeams, 1>(&states[0][row], kRows, values, kAreaBytes / 4, kTeams, scale);
    if (item.part < 0) {
      write_row(args, end, column, part);
      continue;
    }
    float *to = keep_row(args, item.part + tile.rows[row].part, part.most, part.sum, column == 0);
    *(float4 *)(to + column) = part.o[0];
  }
}
