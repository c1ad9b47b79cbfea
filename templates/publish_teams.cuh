//@use accumulate
//@use output

//# Teams split the KV: their O, maxima and sums meet in shared memory before they leave the CTA.

/* Maximum (base-2 logits) and sum of each row of each team. */
typedef float2 TeamState[kRows];

/*
 * Where columns c, c + 1 (pairs) or c .. c + 3 of a row lie in a team's exchange area: rows are turned against
 * each other by 8 columns a row, so that the eight rows of a fragment use different banks.
 */
u32 exchange_column(u32 row, u32 column) {
  return row * kHeadDim + (column + row * 8) % kHeadDim;
}

/* Writes this warp's rows, of the tile's `row_count`, to its team's exchange area. */
void exchange_rows(const RowState &state, u32 row_count, float *area, TeamState &team_state) {
  const u32 lane = fresh_lane();
  const u32 first = first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first + 8 * r;
    if (row >= row_count)
      continue;
#pragma unroll
    for (u32 p = 0; p < kHeadDim / 8; p++)
      *(float2 *)(area + exchange_column(row, pair_column(lane, p))) = pair_of(state.o, r, p);
    if (lane % 4 == 0)
      team_state[row] = make_float2(state.most[r], state.sum[r]);
  }
}

/* Four columns of a row over all teams: the unnormalised O, the row's maximum and sum. */
struct RowPart {
  float4 o;
  float most;
  float sum;
};

RowPart join_teams(const u8 *areas, const TeamState *states, u32 row, u32 column) {
  RowPart part = {make_float4(0, 0, 0, 0), minus_infinity(), 0};
#pragma unroll
  for (u32 t = 0; t < kTeams; t++)
    part.most = fmaxf(part.most, states[t][row].x);
#pragma unroll
  for (u32 t = 0; t < kTeams; t++) {
    const float2 state = states[t][row];
    const float weight = state.y > 0 ? exp2_fast(state.x - part.most) : 0;
    const float4 o = *(const float4 *)((const float *)(areas + t * kRingBytes) + exchange_column(row, column));
    part.o.x += weight * o.x;
    part.o.y += weight * o.y;
    part.o.z += weight * o.z;
    part.o.w += weight * o.w;
    part.sum += weight * state.y;
  }
  return part;
}

/* Writes the item's rows to O, or as a partial. `areas` is the stage of the first team's ring that is free. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *areas, TeamState *states) {
  const fi_item &item = tile.item;
  const TileRow *rows = tile.rows;
  sync_team();
  exchange_rows(state, item.row_count * kGroup, (float *)(areas + team() * kRingBytes), states[team()]);
  __syncthreads();
#pragma unroll 1
  for (u32 i = fresh_thread(); i < item.row_count * kGroup * (kHeadDim / 4); i += kThreads) {
    const u32 row = i / (kHeadDim / 4);
    const u32 column = i % (kHeadDim / 4) * 4;
    const RowPart part = join_teams(areas, states, row, column);
    if (item.part < 0) {
      const int token = rows[row].token;
      const u32 head = item.kv_head * kGroup + row % kGroup;
      const float factor = row_factor(part.sum, value_scale(args, item.kv_head));
      *(uint2 *)(output_row(args, token, head) + column) = make_uint2(
          pack_output(part.o.x * factor, part.o.y * factor), pack_output(part.o.z * factor, part.o.w * factor));
//@if lse
      if (column == 0)
        write_lse(args, token, head, part.most, part.sum);
//@end
    } else {
      const long long part_row = item.part + rows[row].part;
      *(float4 *)(args.plan.part_o + part_row * kHeadDim + column) = part.o;
      if (column == 0)
        *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(part.most, part.sum);
    }
  }
}
