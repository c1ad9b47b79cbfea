//@use math
//@use query
//@use score

/* Stands for minus infinity in scores and maxima: finite, so that a row that has seen nothing needs no special case. */
constexpr float kMasked = -1e30f;

/* Dims of O; even and odd octets of a block belong together, see pair_column. */
typedef float Output[kRowBlocks][kHeadDim / 8][4];

/* State of a warp's rows: index h is row l / 4 + 8 h of a block. `sum` is of this lane's columns until row_sums. */
struct RowState {
  float most[kRowBlocks][2]; /* maximum of the unscaled scores */
  float sum[kRowBlocks][2];
  Output o;
};

/* A warp's part of an item's range: in shared memory, since it is needed once a step and registers are short. */
struct Range {
  int end;   /* of the item's KV tokens */
  int least; /* KV tokens that some row of the warp sees: a tile beyond them needs the mask */
  int most;  /* that no row sees more than: a tile beyond them is skipped */
};

__device__ __forceinline__ void clear_rows(RowState &state) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++) {
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      state.most[b][h] = kMasked;
      state.sum[b][h] = 0;
    }
#pragma unroll
    for (u32 o = 0; o < kHeadDim / 8; o++)
#pragma unroll
      for (u32 e = 0; e < 4; e++)
        state.o[b][o][e] = 0;
  }
}

/* The tile's row of half 0 of block 0 of this warp; half h of block b is 8 h + 16 b rows on. */
__device__ __forceinline__ u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kRowWarps * (16 * kRowBlocks) + thread % 32 / 4;
}

__device__ __forceinline__ void find_range(Range &range, const ItemTile &tile) {
  const TileRow *first = tile.rows + first_row();
  int least = tile.item.kv_end;
  int most = 0;
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      least = min(least, first[16 * b + 8 * h].visible);
      most = max(most, first[16 * b + 8 * h].visible);
    }
  least = __reduce_min_sync(kAllLanes, least);
  most = __reduce_max_sync(kAllLanes, most);
  if (lane() == 0)
    range = {tile.item.kv_end, least, most};
  __syncwarp();
}

/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
__device__ __forceinline__ void mask(Scores &scores, const TileRow *rows, int token) {
  const TileRow *first = rows + first_row();
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      const int seen = first[16 * b + 8 * h].visible - token - (int)(2 * (lane() % 4));
#pragma unroll
      for (u32 o = 0; o < kTeamTokens / 8; o++)
#pragma unroll
        for (u32 e = 0; e < 2; e++)
          if ((int)(8 * o + e) >= seen)
            scores[b][o][2 * h + e] = kMasked;
    }
}

/* Maximum of the four lanes that share a row. */
__device__ __forceinline__ float row_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

__device__ __forceinline__ float row_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}

/* Lifts the rows' maxima to those of the new scores; O and sums are rescaled only if some row of the warp moved. */
__device__ __forceinline__ void raise_maxima(RowState &state, const Scores &scores, float scale) {
  float most[kRowBlocks][2];
  bool moved = false;
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      most[b][h] = state.most[b][h];
#pragma unroll
      for (u32 o = 0; o < kTeamTokens / 8; o++)
        most[b][h] = fmaxf(most[b][h], fmaxf(scores[b][o][2 * h], scores[b][o][2 * h + 1]));
      most[b][h] = row_max(most[b][h]);
      moved |= most[b][h] > state.most[b][h];
    }
  if (!__any_sync(kAllLanes, moved))
    return;
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      const float shrink = exp2_fast((state.most[b][h] - most[b][h]) * scale);
      state.most[b][h] = most[b][h];
      state.sum[b][h] *= shrink;
#pragma unroll
      for (u32 o = 0; o < kHeadDim / 8; o++) {
        state.o[b][o][2 * h] *= shrink;
        state.o[b][o][2 * h + 1] *= shrink;
      }
    }
}

/* The online softmax: scores become exp2(scale * (score - row maximum)), summed into the state. */
__device__ __forceinline__ void softmax(RowState &state, Scores &scores, float scale) {
  raise_maxima(state, scores, scale);
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      const float offset = state.most[b][h] * scale;
#pragma unroll
      for (u32 o = 0; o < kTeamTokens / 8; o++)
#pragma unroll
        for (u32 e = 2 * h; e < 2 * h + 2; e++) {
          scores[b][o][e] = exp2_fast(scores[b][o][e] * scale - offset);
          state.sum[b][h] += scores[b][o][e];
        }
    }
}

/* Closes an item: sums over all columns, maxima in base-2 logits. Rows that saw nothing get sum 0, maximum -infinity. */
__device__ __forceinline__ void close_rows(RowState &state, float scale) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
      const bool empty = state.most[b][h] == kMasked;
      const float sum = row_sum(state.sum[b][h]); /* all lanes must take part, whichever rows are empty */
      state.sum[b][h] = empty ? 0 : sum;
      state.most[b][h] = empty ? minus_infinity() : state.most[b][h] * scale;
      if (empty) {
#pragma unroll
        for (u32 o = 0; o < kHeadDim / 8; o++) {
          state.o[b][o][2 * h] = 0;
          state.o[b][o][2 * h + 1] = 0;
        }
      }
    }
}
