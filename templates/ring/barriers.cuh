//@use ptx/barrier
//@use ptx/warpgroup
//@use tile/warpgroups

//# Who waits for whom: the rows of an item, each tile of Q, each stage of K and each of V, or each part of a stage that
//# is both, are full or empty.

constexpr u32 kItemsAhead = 2; /* in shared memory: one in use, and the next */

//@if v_source == keys
//@use ring/barriers_parts
//@else
//@if value_warps > 1
//@use ring/barriers_weights
//@else
//@if prefixes
constexpr u32 kReadyLists = kConsumerWarps; /* each warp merges the units of one */
//@else
constexpr u32 kReadyLists = 1;
//@end

//@if q_dtype == e4m3
struct Barriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
  u64 keys_full[kStages];
  u64 keys_empty[kStages];
  u64 values_full[kStages]; /* V as it comes */
  u64 values_empty[kStages];
  u64 turned_full[kStages]; /* V as products take it */
  u64 turned_empty[kStages];
  int ready[kReadyLists]; /* first of the units that this CTA must merge, list by list */
};
//@else
//@if converts
struct Barriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
  u64 stored_keys_full; /* K and V of a step as they come */
  u64 stored_keys_empty;
  u64 stored_values_full;
  u64 stored_values_empty;
  u64 keys_full[kStages]; /* and as products take them */
  u64 keys_empty[kStages];
  u64 values_full[kStages];
  u64 values_empty[kStages];
  int ready[kReadyLists]; /* first of the units that this CTA must merge, list by list */
};
//@else
struct Barriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
  u64 keys_full[kStages];
  u64 keys_empty[kStages];
  u64 values_full[kStages];
  u64 values_empty[kStages];
  int ready[kReadyLists]; /* first of the units that this CTA must merge, list by list */
};
//@end
//@end
//@end
//@end

Barriers &barriers_of(u8 *shared) {
  return *(Barriers *)(shared + kSharedBarriers);
}

/* A place in a ring of kCount, a power of two, by how often one went on in it. */
template <u32 kCount> struct Place {
  u32 count;

  u32 number() const {
    return count % kCount;
  }

  /* The parity of the phase in which it is filled. Before that it is emptied in one of the other parity, as is every
     place at first. */
  u32 parity() const {
    return count / kCount % 2;
  }

  u32 parity_before() const {
    return parity() ^ 1;
  }

  Place next() const {
    return {count + 1};
  }
};

//@if value_warps == 1
//@if gathers
constexpr u32 kFillArrivals = 32 * kLoaderWarps; /* of a tile: all threads that copy, when their copies have ended */
//@else
constexpr u32 kFillArrivals = 1; /* of a stage: what expects the copies */
//@end

//@if gathers && !converts
/* Waits until K or V of a step is there: what threads have copied. */
void wait_for_tile(u64 *full, u32 parity) {
  barrier_wait(full, parity);
  shared_written();
}
//@else
/* Waits until K or V of a step is there. */
void wait_for_tile(u64 *full, u32 parity) {
  barrier_wait(full, parity);
}
//@end

//@if q_dtype == e4m3
/* Warps empty V as it comes, and fill it turned. */
void open_ring(Barriers &barriers) {
  for (u32 i = 0; i < kStages; i++) {
    barrier_open(&barriers.keys_full[i], kFillArrivals);
    barrier_open(&barriers.keys_empty[i], kConsumerWarps);
    barrier_open(&barriers.values_full[i], kFillArrivals);
    barrier_open(&barriers.values_empty[i], kTurnWarps);
    barrier_open(&barriers.turned_full[i], kTurnWarps);
    barrier_open(&barriers.turned_empty[i], kConsumerWarps);
  }
  for (int &ready : barriers.ready)
    ready = -1;
}
//@else
//@if converts
/* Warps empty K and V as they come, and fill them converted. */
void open_ring(Barriers &barriers) {
  barrier_open(&barriers.stored_keys_full, kFillArrivals);
  barrier_open(&barriers.stored_keys_empty, kLoaderWarps);
  barrier_open(&barriers.stored_values_full, kFillArrivals);
  barrier_open(&barriers.stored_values_empty, kLoaderWarps);
  for (u32 i = 0; i < kStages; i++) {
    barrier_open(&barriers.keys_full[i], kLoaderWarps);
    barrier_open(&barriers.keys_empty[i], kConsumerWarps);
    barrier_open(&barriers.values_full[i], kLoaderWarps);
    barrier_open(&barriers.values_empty[i], kConsumerWarps);
  }
  for (int &ready : barriers.ready)
    ready = -1;
}
//@else
void open_ring(Barriers &barriers) {
  for (u32 i = 0; i < kStages; i++) {
    barrier_open(&barriers.keys_full[i], kFillArrivals);
    barrier_open(&barriers.keys_empty[i], kConsumerWarps);
    barrier_open(&barriers.values_full[i], kFillArrivals);
    barrier_open(&barriers.values_empty[i], kConsumerWarps);
  }
  for (int &ready : barriers.ready)
    ready = -1;
}
//@end
//@end
//@end

void open_barriers(Barriers &barriers) {
  for (u32 i = 0; i < kItemsAhead; i++) {
    barrier_open(&barriers.rows_full[i], 1);
    barrier_open(&barriers.rows_empty[i], kConsumerWarps + kFollowers);
  }
  for (u32 i = 0; i < kQueryTiles; i++) {
    barrier_open(&barriers.query_full[i], 1);
    barrier_open(&barriers.query_empty[i], kConsumerWarps);
  }
  open_ring(barriers);
  barriers_opened();
}

/* A warp of a consumer is done with what a barrier is about. */
void release(u64 *empty) {
  __syncwarp();
  if (lane() == 0)
    barrier_arrive(empty);
}
