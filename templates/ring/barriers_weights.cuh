//# The consumers share rows: K, V and the weights of a stage are full or empty.

struct Barriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
  u64 keys_full[kStages];
  u64 keys_empty[kStages];
  u64 values_full[kStages];
  u64 values_empty[kStages];
  u64 weights_full[kStages];
  u64 weights_empty[kStages];
  int ready; /* first of the units that this CTA must merge */
  int unit;  /* with whose merge it helps; -1: none */
  u32 open;  /* what that unit's count of slices begins with in this launch */
  u32 slice; /* that is merged next */
};

/* One consumer needs K of a step and fills its weights, both need V, and the other one empties the weights. */
void open_ring(Barriers &barriers) {
  constexpr u32 kWarps = kConsumerWarps / kConsumers;
  for (u32 i = 0; i < kStages; i++) {
    barrier_open(&barriers.keys_full[i], 1);
    barrier_open(&barriers.keys_empty[i], kWarps);
    barrier_open(&barriers.values_full[i], 1);
    barrier_open(&barriers.values_empty[i], kConsumerWarps);
    barrier_open(&barriers.weights_full[i], kWarps);
    barrier_open(&barriers.weights_empty[i], kWarps);
  }
  barriers.ready = -1;
  barriers.unit = -1;
}
