//@use ptx/types
//@use work/order
//@use ptx/warpgroup
//@use tile/warpgroups
//@use operand/{kv_dtype}
//@use ring/barriers
//@if gathers
//@use ring/gather
//@else
//@use ring/boxes
//@end
//@use query/bring
//@use query/transform
//@use query/rotate_keys
//@if q_dtype == e4m3
//@use tile/attend_e4m3
//@else
//@use tile/attend
//@end
//@use tile/turns
//@use ring/produce
//@use tile/odd_rows_warp
//@use tile/publish_staged
//@use work/merge_units
//@use work/plan_id

//@if prefixes
/* Whether a consumer has rows of an item: those of what a request has alone are few. */
bool has_rows(const fi_item &item) {
  return fresh_thread() / 128 * 64 < item.row_count * kGroup;
}

/* The part of a consumer that has no rows of an item: it needs neither Q, K nor V. */
void pass_by(const ItemView &view, Place<kStages> &place, u8 *shared) {
  const fi_item &item = view.tile(shared).item;
  Barriers &barriers = barriers_of(shared);
  const int first = first_of_steps(item.kv_begin);
  end_scores_of_item(view, shared);
  for (int token = first; token < item.kv_end; token += (int)kTeamTokens) {
    wait_for_keys(place, shared);
    if (token > first) {
      wait_turn(fresh_thread() / 128);
      pass_turn(consumer_after(fresh_thread() / 128));
    }
    release(&barriers.keys_empty[place.number()]);
    barrier_wait(&barriers.values_full[place.number()], place.parity());
    release(&barriers.values_empty[place.number()]);
    place = place.next();
  }
}

/* What a consumer does about an item. */
void attend_own_rows(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place,
                     u8 *shared) {
  if (has_rows(view.tile(shared).item))
    attend(state, args, view, place, shared);
  else
    pass_by(view, place, shared);
}
//@else
/* Whether a consumer has rows of an item: its other rows are as good as any. */
bool has_rows(const fi_item &item) {
  return true;
}

/* What a consumer does about an item. */
void attend_own_rows(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place,
                     u8 *shared) {
  attend(state, args, view, place, shared);
}
//@end

/*
 * One CTA works through its items of the plan. Warps of the producer bring the rows of items, Q, and K and V of their
 * steps, as far ahead as there is room; consumers have 64 rows of the tile each.
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
  if (threadIdx.x == 0)
    open_barriers(barriers);
  __syncthreads();

  if (consumer() >= kConsumers) {
    keep_registers<kProducerRegisters>();
    produce(maps, first, shared);
    return;
  }

  take_registers<kConsumerRegisters>();
  const u32 self = consumer();
  const Workers workers = {0, kWorkersBarrier};
  Place<kStages> kv = {0};
  open_turns(self);
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
    if (has_rows(tile.item))
      transform_query(consumer_threads(self), own_query(view, shared), args, tile.rows + self * 64);
    view.scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
    RowState state;
    open_rows(state);
    attend_own_rows(state, args, view, kv, shared);
    ItemTile &ended = view.tile(shared);
    close_rows(state, ended.rows);
    publish(args, ended, state, staging(shared));
    redo_odd_rows(args, ended, state.o, view.query(shared));
    const ItemEnd end = item_end(ended.item);
    end_query(view, shared);
    release(&barriers.rows_empty[rows.number()]);
    if (end.is_partial)
      arrive(workers, args.plan, end.unit, end.unit_count, *barriers.ready);
  }
  close_turns(self);
  const ItemTile &last = item_tiles(shared)[Place<kItemsAhead>{count - 1}.number()];
  merge_units(workers, args, last.item.unit, *barriers.ready);
}
