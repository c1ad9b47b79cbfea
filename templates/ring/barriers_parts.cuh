//# V is in K: each part of a stage is full or empty, and the weights of a step are there.

constexpr u32 kParts = 3; /* of a stage: the halves of V, and the rest of K, which the weights take the place of */

struct Barriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
  u64 keys_full[kStages][kParts];
  u64 keys_empty[kStages][kParts];
  u64 weights_full[kStages];
  int ready; /* first of the units that this CTA must merge */
  int unit;  /* with whose merge it helps; -1: none */
  u32 open;  /* what that unit's count of slices begins with in this launch */
  u32 slice; /* that is merged next */
};

//@if gathers
constexpr u32 kFillArrivals = 33; /* of a part: the lanes of a warp when their copies have ended, and the warp */
//@else
constexpr u32 kFillArrivals = 1; /* of a part: what expects the copies */
//@end

//@if gathers
/* Waits until a part of K is there: what threads have copied. */
void wait_for_part(u64 *full, u32 parity) {
  barrier_wait(full, parity);
  shared_written();
}
//@else
/* Waits until a part of K is there. */
void wait_for_part(u64 *full, u32 parity) {
  barrier_wait(full, parity);
}
//@end

/* A part of a stage is empty when the warps of one consumer say so. */
void open_ring(Barriers &barriers) {
  for (u32 i = 0; i < kStages; i++) {
    for (u32 part = 0; part < kParts; part++) {
      barrier_open(&barriers.keys_full[i][part], kFillArrivals);
      barrier_open(&barriers.keys_empty[i][part], kConsumerWarps / kConsumers);
    }
    barrier_open(&barriers.weights_full[i], kConsumerWarps / kConsumers);
  }
  barriers.ready = -1;
  barriers.unit = -1;
}
