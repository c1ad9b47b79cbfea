//# Each consumer has its own rows: K and V of a stage are full or empty.

//@if gathers
constexpr u32 kFillArrivals = 32 * kLoaderWarps; /* of a tile: all threads that copy, when their copies have ended */
//@else
constexpr u32 kFillArrivals = 1; /* of a stage: what expects the copies */
//@end

//@if q_dtype == e4m3
struct RingBarriers : StageBarriers {
  u64 turned_full[kStages]; /* V as products take it */
  u64 turned_empty[kStages];
};

/* Warps empty V as it comes, and fill it turned. */
void open_ring(RingBarriers &barriers) {
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], kFillArrivals, &barriers.keys_empty[i], kConsumerWarps);
    open_place(&barriers.values_full[i], kFillArrivals, &barriers.values_empty[i], kTurnWarps);
    open_place(&barriers.turned_full[i], kTurnWarps, &barriers.turned_empty[i], kConsumerWarps);
  }
}
//@else
/* Of K and V, by so many arrivals. */
void open_stages(StageBarriers &barriers, u32 fills) {
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], fills, &barriers.keys_empty[i], kConsumerWarps);
    open_place(&barriers.values_full[i], fills, &barriers.values_empty[i], kConsumerWarps);
  }
}

//@if converts
/* Of K and V of a step as they come. */
struct StoredBarriers {
  u64 stored_keys_full;
  u64 stored_keys_empty;
  u64 stored_values_full;
  u64 stored_values_empty;
};

struct RingBarriers : StoredBarriers, StageBarriers {};

/* Warps empty K and V as they come, and fill them converted. */
void open_ring(RingBarriers &barriers) {
  open_place(&barriers.stored_keys_full, kFillArrivals, &barriers.stored_keys_empty, kLoaderWarps);
  open_place(&barriers.stored_values_full, kFillArrivals, &barriers.stored_values_empty, kLoaderWarps);
  open_stages(barriers, kLoaderWarps);
}
//@else
typedef StageBarriers RingBarriers;

void open_ring(RingBarriers &barriers) {
  open_stages(barriers, kFillArrivals);
}
//@end
//@end
