//@use ptx/barrier
//@use ptx/warpgroup
//@use tile/warpgroups

//# Who waits for whom: the rows of an item, each tile of Q, each stage of K and each of V, or each part of a stage that
//# is both, are full or empty.

constexpr u32 kItemsAhead = 2; /* in shared memory: one in use, and the next */

/* Of the rows of items, and of tiles of Q. */
struct ItemBarriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
};

/* Of K and V in their rings. */
struct StageBarriers {
  u64 keys_full[kStages];
  u64 keys_empty[kStages];
  u64 values_full[kStages];
  u64 values_empty[kStages];
};

//@if value_warps > 1
/* What a CTA that merges with others knows. */
struct Merges {
  int ready; /* first of the units that this CTA must merge */
  int unit;  /* with whose merge it helps; -1: none */
  u32 open;  /* what that unit's count of slices begins with in this launch */
  u32 slice; /* that is merged next */
};

void open_merges(Merges &merges) {
  merges.ready = -1;
  merges.unit = -1;
}
//@else
//@if prefixes
constexpr u32 kReadyLists = kConsumerWarps; /* each warp merges the units of one */
//@else
constexpr u32 kReadyLists = 1;
//@end

struct Merges {
  int ready[kReadyLists]; /* first of the units that this CTA must merge, list by list */
};

void open_merges(Merges &merges) {
  for (int &ready : merges.ready)
    ready = -1;
}
//@end

/* Opens the barriers of a place, which is full after so many arrivals, and empty after so many. */
void open_place(u64 *full, u32 fills, u64 *empty, u32 releases) {
  barrier_open(full, fills);
  barrier_open(empty, releases);
}

//@if v_source == keys
//@use ring/barriers_parts
//@else
//@if value_warps > 1
//@use ring/barriers_weights
//@else
//@use ring/barriers_own
//@end
//@end

struct Barriers : ItemBarriers, RingBarriers, Merges {};

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

//@if gathers && !converts
/* Waits until K or V of a step is there, or a part of K: what threads have copied. */
void wait_for_tile(u64 *full, u32 parity) {
  barrier_wait(full, parity);
  shared_written();
}
//@else
/* Waits until K or V of a step is there, or a part of K. */
void wait_for_tile(u64 *full, u32 parity) {
  barrier_wait(full, parity);
}
//@end

void open_barriers(Barriers &barriers) {
  for (u32 i = 0; i < kItemsAhead; i++)
    open_place(&barriers.rows_full[i], 1, &barriers.rows_empty[i], kConsumerWarps + kFollowers);
  for (u32 i = 0; i < kQueryTiles; i++)
    open_place(&barriers.query_full[i], 1, &barriers.query_empty[i], kConsumerWarps);
  open_ring(barriers);
  open_merges(barriers);
  barriers_opened();
}

/* A warp of a consumer is done with what a barrier is about. */
void release(u64 *empty) {
  __syncwarp();
  if (lane() == 0)
    barrier_arrive(empty);
}
