//# K and V of 8 bits become 16-bit elements: warps empty them as they come, and fill them converted.

/* Of K and V of a step as they come. */
struct StoredBarriers {
  u64 stored_keys_full;
  u64 stored_keys_empty;
  u64 stored_values_full;
  u64 stored_values_empty;
};

struct RingBarriers : StoredBarriers, StageBarriers {};

void open_ring(RingBarriers &barriers) {
  open_place(&barriers.stored_keys_full, kFillArrivals, &barriers.stored_keys_empty, kLoaderWarps);
  open_place(&barriers.stored_values_full, kFillArrivals, &barriers.stored_values_empty, kLoaderWarps);
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], kLoaderWarps, &barriers.keys_empty[i], kConsumerWarps);
    open_place(&barriers.values_full[i], kLoaderWarps, &barriers.values_empty[i], kConsumerWarps);
  }
}
