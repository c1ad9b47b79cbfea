//# The consumers share rows: K, V and the weights of a stage are full or empty.

struct RingBarriers : StageBarriers {
  u64 weights_full[kStages];
  u64 weights_empty[kStages];
};

/* One consumer needs K of a step and fills its weights, both need V, and the other one empties the weights. */
void open_ring(RingBarriers &barriers) {
  constexpr u32 kWarps = kConsumerWarps / kConsumers;
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], 1, &barriers.keys_empty[i], kWarps);
    open_place(&barriers.values_full[i], 1, &barriers.values_empty[i], kConsumerWarps);
    open_place(&barriers.weights_full[i], kWarps, &barriers.weights_empty[i], kWarps);
  }
}
