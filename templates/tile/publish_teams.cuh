//@use tile/accumulate
//@use tile/join

//# Teams split the KV: their O, maxima and sums meet in shared memory before they leave the CTA.

/* Maximum (base-2 logit) and sum of each row of each team. */
typedef float2 TeamState[kRows];

/*
 * Where column `column` of a row lies in a team's area. Rows are turned against each other by 8 columns, so that the
 * eight rows of a fragment use different banks.
 */
u32 exchange_column(u32 row, u32 column) {
  return row * kHeadDim + (column + row * 8) % kHeadDim;
}

/* Writes the warp's rows, of the tile's `row_count`, to its team's area. */
void exchange_rows(const RowState &state, u32 row_count, float *area, TeamState &team_state) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= row_count)
      continue;
#pragma unroll
    for (u32 p = 0; p < kHeadDim / 8; p++)
      *(float2 *)(area + exchange_column(row, pair_column(lane, p))) = pair_of(state.o, r, p);
    if (lane % 4 == 0)
      team_state[row] = make_float2(state.most[r], state.sum[r]);
  }
}

/* Writes the item's rows to O, or as a partial. `areas` is the stage of the first team's ring that is free. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *areas, TeamState *states) {
  const fi_item &item = tile.item;
  const u32 rows = item.row_count * kGroup;
  sync_team();
  exchange_rows(state, rows, (float *)(areas + team() * kRingBytes), states[team()]);
  __syncthreads();
#pragma unroll 1
  for (u32 i = fresh_thread(); i < rows * kRowThreads<1>; i += kThreads) {
    const u32 row = i / kRowThreads<1>;
    const u32 column = i % kRowThreads<1> * 4;
    const float *values = (const float *)areas + exchange_column(row, column);
    const Partial<1> part = join<kTeams, 1>(&states[0][row], kRows, values, kRingBytes / 4, kTeams);
    if (item.part < 0) {
      write_row(args, tile.rows[row].token, item.kv_head, row, column, part);
      continue;
    }
    const long long part_row = item.part + tile.rows[row].part;
    *(float4 *)(args.plan.part_o + part_row * kHeadDim + column) = part.o[0];
    if (column == 0)
      *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(part.most, part.sum);
  }
}
