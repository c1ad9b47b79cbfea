//@use ptx/types
//@use work/order
//@use ptx/warpgroup
//@use tile/warpgroups
//@use operand/{kv_dtype}
//@use operand/pairs16
//@use operand/parts16
//@use ring/barriers
//@if gathers
//@use ring/gather_parts
//@else
//@use ring/boxes
//@end
//@use query/bring
//@use query/transform
//@use query/rotate_keys
//@use query/release
//@use ring/produce
//@if select > 0
//@use tile/weigh_listed
//@else
//@use tile/weigh_step
//@end
//@use tile/shared_rows
//@use tile/steps_{v_source}
//@use tile/odd_rows
//@use tile/publish_chunks
//@use work/merge_together
//@use work/plan_id

//# Tiles of 64 rows whose O has more dims than one consumer has registers for: of latents, and of V of 512 dims.
//#
//# Two consumers have the same rows, and half of the dims of O each. Each scores every other step, makes weights while
//# the matrix units multiply those of the other, and hands them on through shared memory, with the rows' maxima.
//#
//# V in K (tile/steps_keys.cuh): parts of a stage have barriers of their own, and weights take the place of the rest
//# of K.
//#
//# V of its own (tile/steps_own.cuh): rings of K and of V, of two stages. The consumer whose step it is needs K until
//# the scores are there, both need V. With 512 dims a step is 32 tokens: of 64 there would be one stage, and nothing
//# could be brought while it is in use. L2 is the limit: 64 rows need 128 KB for 64 tokens, by estimate 6,000 cycles,
//# where the tensor cores take 2,048 and shared memory 3,100. Two CTAs that bring half of K and V for both would halve
//# the bytes.

/* After all of an item. */
void release_rows(const ItemView &view, u8 *shared) {
  end_query(view, shared);
  release(&barriers_of(shared).rows_empty[Place<kItemsAhead>{fresh(view.count)}.number()]);
}

/* The scores of a step of its own become the consumer's weights, which the other one reads. Whether O must shrink. */
bool weigh_own(RowState &state, Weights &weights, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
               const ItemView &view, const Place<kStages> &place, u8 *shared, int token) {
  before_softmax();
  const bool moved = weigh_scores(state, scores, shrinks, args, view, place.number(), shared, token);
  pack_weights(weights, scores);
  before_weights(place, shared);
  store_weights(weights_of_stage(shared, place.number()), weights);
  tell_maxima(maxima_of_stage(shared, place.number()), state, shrinks, moved);
  shared_written();
  release(&barriers_of(shared).weights_full[place.number()]);
  return moved;
}

/* Starts O += P V of a step of its own. */
void begin_own_output(Output &o, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  wait_for_values(place, shared);
  pin(o);
  products_begin();
  accumulate(o, weights, own_values(place, shared));
}

/* Starts O += P V of a step of the other consumer, when its weights are there. */
void begin_other_output(RowState &state, const Place<kStages> &place, u8 *shared) {
  Shrinks shrinks;
  barrier_wait(&barriers_of(shared).weights_full[place.number()], place.parity());
  wait_for_values(place, shared);
  if (take_maxima(state, shrinks, maxima_of_stage(shared, place.number())))
    shrink_output(state.o, shrinks);
  pin(state.o);
  products_begin();
  accumulate(state.o, matrix_at(weights_of_stage(shared, place.number()), 0), own_values(place, shared));
}

void end_output(Output &o) {
  products_wait<0>();
  pin(o);
}

/*
 * The consumer that has the first step of an item, and every other one: of two steps both have their products with V
 * one after the other, then come the scores of its next step.
 */
void lead(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
          int token, int end) {
  Scores scores;
  Weights weights;
  Shrinks shrinks;
#pragma unroll 1
  for (; token < end; token += (int)(2 * kTeamTokens)) {
    begin_scores(scores, view, place, shared);
    end_scores(scores, place, shared);
    if (token + (int)(2 * kTeamTokens) >= end)
      end_scores_of_item(view, shared);
    if (weigh_own(state, weights, scores, shrinks, args, view, place, shared, token))
      shrink_output(state.o, shrinks);
    begin_own_output(state.o, weights, place, shared);
    end_output(state.o);
    release_own(place, shared);
    place = place.next();
    if (token + (int)kTeamTokens >= end)
      return;
    begin_other_output(state, place, shared);
    end_output(state.o);
    release_other(place, shared);
    place = place.next();
  }
}

/*
 * The consumer that has the second step of an item, and every other one: while its scores become weights, products of
 * those of the step before with V are under way.
 */
void follow(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
            int token, int end) {
  Scores scores;
  Weights weights;
  Shrinks shrinks;
  if (token + (int)kTeamTokens >= end)
    end_scores_of_item(view, shared);
#pragma unroll 1
  for (; token + (int)kTeamTokens < end; token += (int)(2 * kTeamTokens)) {
    const Place<kStages> own = place.next();
    begin_scores(scores, view, own, shared);
    end_scores(scores, own, shared);
    if (token + (int)(3 * kTeamTokens) >= end)
      end_scores_of_item(view, shared);
    begin_other_output(state, place, shared);
    const bool moved =
        weigh_own(state, weights, scores, shrinks, args, view, own, shared, token + (int)kTeamTokens);
    end_output(state.o);
    release_other(place, shared);
    if (moved)
      shrink_output(state.o, shrinks);
    begin_own_output(state.o, weights, own, shared);
    end_output(state.o);
    release_own(own, shared);
    place = own.next();
  }
  if (token >= end)
    return;
  begin_other_output(state, place, shared);
  end_output(state.o);
  release_other(place, shared);
  place = place.next();
}

/* A consumer's part of an item. Which of them leads goes by the stage that the first step is in. */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
            u32 self) {
  const fi_item &item = view.tile(shared).item;
  const int token = (int)uniform((u32)first_of_steps(item.kv_begin));
  const int end = (int)uniform((u32)item.kv_end);
  if (token >= end)
    return end_scores_of_item(view, shared);
  if (place.number() % kConsumers == self)
    lead(state, args, view, place, shared, token, end);
  else
    follow(state, args, view, place, shared, token, end);
}

/*
 * One CTA works through its items of the plan. Warps of the producer bring rows of items, Q, and the steps' K and V, as
 * far ahead as there is room. Two consumers have the same rows, half of the dims of O each, and every other step: O of
 * all dims does not fit the registers of one.
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
  const u32 self = consumer();
  const Workers workers = {0, kWorkersBarrier};
  clear_padding(shared);
  clear_odd_values(workers, shared);
  if (threadIdx.x == 0)
    open_barriers(barriers);
  __syncthreads();

  if (self == kConsumers) {
    keep_registers<kProducerRegisters>();
    produce(maps, first, shared);
    return;
  }

  take_registers<kConsumerRegisters>();
  Place<kStages> place = {0};
  u32 count = 0;
  for (;; count++) {
    const Place<kItemsAhead> rows = {count};
    barrier_wait(&barriers.rows_full[rows.number()], rows.parity());
    ItemView view = {count};
    ItemTile &tile = view.tile(shared);
    if (uniform(tile.item.row_count) == 0)
      break;
    const Place<kQueryTiles> query = {count};
    barrier_wait(&barriers.query_full[query.number()], query.parity());
    transform_query(workers, view.query(shared), args, tile.rows);
    view.scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
    RowState state;
    open_rows(state);
    attend(state, args, view, place, shared, self);
    ItemTile &ended = view.tile(shared);
    const ItemEnd end = item_end(ended.item);
    note_odd_values(ended.item, state.o, shared);
    join_sums(workers, state, count, shared);
    close_rows(state, ended.rows);
    publish(args, ended, state);
    redo_odd_rows(workers, args, ended, end, shared);
    release_rows(view, shared);
    if (end.is_partial)
      arrive(workers, args.plan, end.unit, barriers);
  }
  const ItemTile &last = item_tiles(shared)[Place<kItemsAhead>{count - 1}.number()];
  merge_together(workers, args, last.item.unit, barriers);
}
