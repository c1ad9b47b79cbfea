//@use tile/softmax
//@use ring/barriers

//# Two consumers have the same rows, and each scores every other step: what one finds of the rows, the other takes.

/* The rows' maxima after the step in a stage. */
step_maxima &maxima_of_stage(u8 *shared, u32 stage) {
  return ((step_maxima *)(shared + kSharedMaxima))[stage];
}

/* Writes the warp's maxima after a step of its own, and by what O shrinks if they have moved. */
void tell_maxima(step_maxima &to, const RowState &state, const Shrinks &shrinks, bool moved) {
  const u32 row = first_row();
  if (fresh_lane() == 0)
    to.moved[row / 16] = moved;
  if (fresh_lane() % 4 > 0)
    return;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    to.most[row + 8 * r] = state.most[r];
    if (moved)
      to.shrinks[row + 8 * r] = shrinks.factors[r];
  }
}

/* Takes the maxima after a step of the other consumer. Whether they have moved, so that O must shrink, and by what. */
bool take_maxima(RowState &state, Shrinks &shrinks, const step_maxima &from) {
  const u32 row = first_row();
  const bool moved = from.moved[row / 16];
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.most[r] = from.most[row + 8 * r];
    shrinks.factors[r] = moved ? from.shrinks[row + 8 * r] : 1;
    state.sum[r] *= shrinks.factors[r];
  }
  return moved;
}

/* Adds the other consumer's sums of the rows; those of items in turn have places of their own. */
void join_sums(Workers workers, RowState &state, u32 count, u8 *shared) {
  float2 *sums = (float2 *)(shared + kSharedSums) + count % 2 * kWorkers;
  const u32 number = workers.number();
  sums[number] = make_float2(state.sum[0], state.sum[1]);
  workers.sync();
  const float2 theirs = sums[(number + kWorkers / 2) % kWorkers];
  state.sum[0] += theirs.x;
  state.sum[1] += theirs.y;
}
