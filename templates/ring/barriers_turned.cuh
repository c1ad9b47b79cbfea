//# Products of e4m3: warps empty V as it comes, and fill it turned.

struct RingBarriers : StageBarriers {
  u64 turned_full[kStages]; /* V as products take it */
  u64 turned_empty[kStages];
};

void open_ring(RingBarriers &barriers) {
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], kFillArrivals, &barriers.keys_empty[i], kConsumerWarps);
    open_place(&barriers.values_full[i], kFillArrivals, &barriers.values_empty[i], kTurnWarps);
    open_place(&barriers.turned_full[i], kTurnWarps, &barriers.turned_empty[i], kConsumerWarps);
  }
}
