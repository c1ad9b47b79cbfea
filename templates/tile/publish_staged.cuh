//@use tile/softmax
//@use tile/finish
//@use work/item

//# Each warp has its rows in its registers, and writes them in pieces of 16 bytes: through shared memory, 8 rows and
//# 128 bytes of each at a time.

constexpr u32 kStagedRow = 128; /* bytes */
constexpr u32 kStagedColumns = kStagedRow / sizeof(OutputElement);

/* The warp's part of the shared memory. */
u8 *staging(u8 *shared) {
  return shared + kSharedOutput + warp() * (8 * kStagedRow);
}

/* Where column `column` of a row of the group is staged. */
OutputElement *staged(u8 *stage, u32 row, u32 column) {
  const u32 byte = column % kStagedColumns * sizeof(OutputElement);
  return (OutputElement *)(stage + row * kStagedRow + (byte / 16 ^ row) * 16 + byte % 16);
}

/* Writes a row group to O; lane l has row l / 4, which ends as `finished` says, and of the group `count` are real. */
void write_group(const Output &o, u32 group, const FinishedRow &finished, u32 count, u8 *stage) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 first = 0; first < kVDim; first += kStagedColumns) {
#pragma unroll
    for (u32 column = 0; column < kStagedColumns && first + column < kVDim; column += 8) {
      const u32 i = (first + column) / 4;
      write_output(staged(stage, lane / 4, column + first_column(lane)), at(o, group, i) * finished.factor,
                   at(o, group, i + 1) * finished.factor);
    }
    __syncwarp();
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
      const u32 row = lane / 8 + 4 * i;
      OutputElement *to = (OutputElement *)__shfl_sync(kAllLanes, (u64)finished.o, row * 4);
      const u32 column = lane % 8 * (kStagedColumns / 8);
      if (row < count && first + column < kVDim)
        *(uint4 *)(to + first + column) = *(const uint4 *)staged(stage, row, column);
    }
    __syncwarp();
  }
}

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *stage) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 rows = item.row_count * kGroup;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const bool has_end = row < rows && has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, tile.rows[row].token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
      const u32 first = row - lane / 4;
      write_group(state.o, r, finished, rows > first ? rows - first : 0, stage);
    } else if (row < rows) {
      float *to = keep_row(args, item.part + tile.rows[row].part, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 i = 0; i < kVDim / 4; i += 2)
        *(float2 *)(to + first_column(lane) + column_step(i)) = make_float2(at(state.o, r, i), at(state.o, r, i + 1));
    }
  }
}
