//@use ring/turned
//@use ptx/matrices
//@use ptx/store_matrices
//@use ptx/warpgroup

//# Products of 8-bit elements take V with the tokens of a dim in a row. One warp of the producer brings K, and V as it
//# comes, and two turn V, every other 32 tokens each.

/* What a lane turns matrices by. */
struct Turn {
  u32 even; /* which bytes of two words are those of one dim of a pair, */
  u32 odd;  /* and of the other */
  u32 row;  /* of the matrix of 16 dims, where the lane has one to write */
};

/*
 * Lanes of the upper rows have the dims of a pair the other way round: eight rows that are written at once are then in
 * eight banks.
 */
Turn turn_of(u32 lane) {
  const u32 row = lane % 8;
  const bool crossed = lane >= 16;
  return {crossed ? 0x7531u : 0x6420u, crossed ? 0x6420u : 0x7531u, 2 * row + (row / 4 + lane / 8) % 2};
}

/*
 * Turns 32 tokens by 16 dims. Of each 16 tokens those at 2 t, 2 t + 1, 2 t + 8 and 2 t + 9 become neighbours, in this
 * order: they are what lane t of four has of a row of scores, and a word of the operand that weights are.
 */
void turn_block(const u32 (&pairs)[4], u32 to, const Turn &turn) {
  const u32 rows[4] = {__byte_perm(pairs[0], pairs[1], turn.even), __byte_perm(pairs[0], pairs[1], turn.odd),
                       __byte_perm(pairs[2], pairs[3], turn.even), __byte_perm(pairs[2], pairs[3], turn.odd)};
  store_matrices(to, rows);
}

/* Turns the warp's part of V of a step. A block is loaded before that in front of it is written; more would spill. */
void turn_tile(const u8 *values, u8 *turned, const Turn &turn) {
  constexpr u32 kBlocks = kVDim / 16;
  const u32 lane = fresh_lane();
#pragma unroll 1
  for (u32 first = (warp() - kTurnWarp) * 32; first < kTeamTokens; first += kTurnWarps * 32) {
    u32 pairs[2][4];
    load_matrices_transposed(pairs[0], shared_address(values) + panel_chunk<kTeamTokens>(first + lane, 0));
#pragma unroll
    for (u32 block = 0; block < kBlocks; block++) {
      const u32 to = shared_address(turned) + panel_chunk<kVDim>(16 * block + turn.row, first / 16 + lane / 16);
      if (block + 1 < kBlocks)
        load_matrices_transposed(pairs[(block + 1) % 2],
                                 shared_address(values) + panel_chunk<kTeamTokens>(first + lane, block + 1));
      turn_block(pairs[block % 2], to, turn);
    }
  }
}

/* Turns V of all items of the CTA, from `first` on. */
void turn_values(const fi_item *first, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const Turn turn = turn_of(lane());
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
#pragma unroll 1
    for (int token = first_of_steps(at.item->kv_begin); token < at.item->kv_end; token += (int)kTeamTokens) {
      const u32 stage = place.number();
      barrier_wait(&barriers.values_full[stage], place.parity());
      barrier_wait(&barriers.turned_empty[stage], place.parity_before());
      turn_tile(values_of_stage(shared, stage), turned_of_stage(shared, stage), turn);
      shared_written(); /* products read what was written, and a tensor map writes what was read */
      release(&barriers.turned_full[stage]);
      release(&barriers.values_empty[stage]);
      place = place.next();
    }
  } while (goes_on(at, shared));
}

/* Brings K and V of all items of the CTA, from `first` on. Where the boxes of a step are is looked up a step ahead. */
void bring_boxes(const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    int box_place = place_of_box(args.attention, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const int following = place_of_box(args.attention, item, token + (int)kTeamTokens);
      const Box box = box_of_step(item, token, box_place);
      const u32 stage = place.number();
      const TileCopy keys = {args.k, args.k_part, args.k_token, shared_address(keys_of_stage(shared, stage)),
                             &barriers.keys_full[stage], item.kv_head};
      const TileCopy values = {args.v, args.v_part, args.v_token, shared_address(values_of_stage(shared, stage)),
                               &barriers.values_full[stage], item.kv_head};
      barrier_wait(&barriers.keys_empty[stage], place.parity_before());
      copy_tile<kQkDim>(keys, item, box, token);
      barrier_wait(&barriers.values_empty[stage], place.parity_before());
      copy_tile<kVDim>(values, item, box, token);
      place = place.next();
      box_place = following;
    }
  } while (goes_on(at, shared));
}

/* What a warp that follows the items does. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  if (warp() == kLoaderWarp)
    bring_boxes(maps, first, shared);
  else
    turn_values(first, shared);
}
