//# V is in K: each part of a stage is full or empty, and the weights of a step are there.

constexpr u32 kParts = 3; /* of a stage: the halves of V, and the rest of K, which the weights take the place of */

struct RingBarriers {
  u64 keys_full[kStages][kParts];
  u64 keys_empty[kStages][kParts];
  u64 weights_full[kStages];
};

//@if gathers
constexpr u32 kFillArrivals = 33; /* of a part: the lanes of a warp when their copies have ended, and the warp */
//@else
constexpr u32 kFillArrivals = 1; /* of a part: what expects the copies */
//@end

/* A part of a stage is empty when the warps of one consumer say so. */
void open_ring(RingBarriers &barriers) {
  constexpr u32 kWarps = kConsumerWarps / kConsumers;
  for (u32 i = 0; i < kStages; i++) {
    for (u32 part = 0; part < kParts; part++)
      open_place(&barriers.keys_full[i][part], kFillArrivals, &barriers.keys_empty[i][part], kWarps);
    barrier_open(&barriers.weights_full[i], kWarps);
  }
}
