//@use ptx/types
//@use work/order
//@use ptx/warpgroup
//@use tile/warpgroups
//@use operand/{kv_dtype}
//@use operand/panels8
//@use ring/barriers
//@use ring/boxes
//@use query/bring
//@use query/transform
//@use query/rotate_keys
//@use query/release
//@use tile/raise_step
//@use tile/odd_rows_warp
//@use tile/publish_staged
//@use work/merge_units
//@use work/plan_id

/* The consumer's own rows of the tile of Q. */
u8 *own_query(const ItemView &view, u8 *shared) {
  return view.query(shared) + fresh_thread() / 128 * (64 * kPanelRow);
}

/* Starts the scores of a step, whose K is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  pin(scores);
  products_begin();
  score(scores, matrix_at(own_query(view, shared)), matrix_at(keys_of_stage(shared, place.number())));
}

/* Starts O of a step, whose V is there. */
void begin_output(Output &step, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  pin(step);
  products_begin();
  accumulate(step, weights, matrix_at(turned_of_stage(shared, place.number())));
}

/* Waits for the products of a step's scores, then nobody needs its K. */
void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(scores);
  release(&barriers_of(shared).keys_empty[place.number()]);
}

/* Waits for the products of O of a step, then nobody needs its V; those of scores may go on. */
template <int kPending> void end_output(Output &step, const Place<kStages> &place, u8 *shared) {
  products_wait<kPending>();
  pin(step);
  release(&barriers_of(shared).turned_empty[place.number()]);
}

void wait_for_keys(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).keys_full[place.number()], place.parity());
}

void wait_for_values(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).turned_full[place.number()], place.parity());
}

/*
 * A consumer's part of an item. The matrix units sum products of 8 bits with few digits, so that O of each step is
 * summed alone, and added to the rest by the threads. The scores of a step are under way beside it, and while one
 * consumer is at its softmax, the matrix units work for the other. V is waited for a step ahead, before the scores: the
 * compiler does not move the adding over such a branch, while it would else begin it after them.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared) {
  int token = first_of_steps(view.tile(shared).item.kv_begin);
  if (token >= view.tile(shared).item.kv_end) {
    end_scores_of_item(view, shared);
    return;
  }
  Scores scores;
  Weights weights;
  Output step;
  wait_for_keys(place, shared);
  begin_scores(scores, view, place, shared);
  Outlook outlook = view.outlook(shared, token);
  wait_for_values(place, shared);
  end_scores(scores, place, shared);
  Maxima maxima = raise_step(state, scores, args, view, shared, token, outlook.all_visible);
  weigh(state, scores, maxima.offsets, logit_scale(view.scale));
  pack_weights(weights, scores);
#pragma unroll 1
  while (!outlook.is_last) {
    token += (int)kTeamTokens;
    const Place<kStages> next = place.next();
    begin_output(step, weights, place, shared);
    wait_for_keys(next, shared);
    begin_scores(scores, view, next, shared);
    outlook = view.outlook(shared, token);
    end_output<1>(step, place, shared);
    add_output(state.o, step, maxima.shrinks);
    wait_for_values(next, shared);
    end_scores(scores, next, shared);
    maxima = raise_step(state, scores, args, view, shared, token, outlook.all_visible);
    weigh(state, scores, maxima.offsets, logit_scale(view.scale));
    pack_weights(weights, scores);
    place = next;
  }
  end_scores_of_item(view, shared);
  begin_output(step, weights, place, shared);
  end_output<0>(step, place, shared);
  add_output(state.o, step, maxima.shrinks);
  close_weights(state);
  place = place.next();
}

/*
 * One CTA works through its items of the plan. Warps of the producer bring the rows of items with Q, bring K and V of
 * their steps, and turn V, as far ahead as there is room; consumers have 64 rows of the tile each.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_maps_args maps) {
  const fi_attention_args &args = maps.attention;
  if (begins_to_wait(args.order))
    return;
  extern __shared__ __align__(1024) u8 shared[];
  const fi_item *first = args.plan.first + blockIdx.x;
  if (is_idle(args, *first))
    return;
  Barriers &barriers = barriers_of(shared);
  clear_padding(shared);
  clear_tails(shared);
  if (threadIdx.x == 0)
    open_barriers(barriers);
  __syncthreads();

  if (consumer() == kConsumers) {
    keep_registers<kProducerRegisters>();
    if (warp() == kItemsWarp)
      bring_items({kItemsWarp * 32, 0}, maps, first, shared);
    else if (warp() == kLoaderWarp)
      bring_boxes(maps, first, shared);
    else
      turn_values(first, shared);
    return;
  }

  take_registers<kConsumerRegisters>();
  const u32 self = consumer();
  const Workers workers = {0, kWorkersBarrier};
  Place<kStages> kv = {0};
  u32 count = 0;
  for (;; count++) {
    const Place<kItemsAhead> rows = {count};
    barrier_wait(&barriers.rows_full[rows.number()], rows.parity());
    ItemView view = {count};
    ItemTile &tile = view.tile(shared);
    if (tile.item.row_count == 0)
      break;
    const Place<kQueryTiles> query = {count};
    barrier_wait(&barriers.query_full[query.number()], query.parity());
    transform_query(consumer_threads(self), own_query(view, shared), args, tile.rows + self * 64);
    view.scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
    RowState state;
    open_rows(state);
    attend(state, args, view, kv, shared);
    ItemTile &ended = view.tile(shared);
    close_rows(state, ended.rows);
    publish(args, ended, state, staging(shared));
    redo_odd_rows(args, ended, state.o, view.query(shared));
    const ItemEnd end = item_end(ended.item);
    end_query(view, shared);
    release(&barriers.rows_empty[rows.number()]);
    if (end.is_partial)
      arrive(workers, args.plan, end.unit, end.unit_count, barriers.ready);
  }
  const ItemTile &last = item_tiles(shared)[Place<kItemsAhead>{count - 1}.number()];
  merge_units(workers, args, last.item.unit, barriers.ready);
}
