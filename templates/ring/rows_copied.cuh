//# Rows of 16-bit elements are copied by cp.async to where they are wanted.

//@if qk_tail
/* Dims beyond the head's that products of scores take: 0 in all stages of K, where no copy writes them. */
void clear_tails(u8 *shared) {
  for (u32 i = threadIdx.x; i < kStages * kTeamTokens; i += kThreads)
    *(uint4 *)(keys_of_stage(shared, i / kTeamTokens) + panel_chunk<kTeamTokens>(i % kTeamTokens, kQkDim / 8)) = {};
  shared_written();
}
//@else
/* Products take no dims beyond the head's. */
void clear_tails(u8 *shared) {}
//@end

/* Starts the warp's copies of a tile of K or V; rows that are not the item's become 0. */
template <u32 kDim> void gather_tile(const fi_kv_args &kv, const Step &step, const u8 *tile) {
  constexpr u32 kChunks = kDim / 8;
  constexpr u32 kPassRows = 32 / kChunks;
  const u32 to = shared_address(tile);
  const u32 place_in_pass = lane() / kChunks;
  const u32 chunk = lane() % kChunks;
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
#pragma unroll 2
    for (u32 first = (warp() - kLoaderWarp) * kPassRows; first < 32; first += kLoaderWarps * kPassRows) {
      const u32 row = first + place_in_pass;
      const int place = __shfl_sync(kAllLanes, step.places[s], row % 32);
      const int token = step.token + (int)(32 * s + row);
      const bool is_there = token >= step.begin && token < step.end;
      const u8 *from = kv_row(kv, place, is_there ? token : step.begin, step.head) + chunk * 16;
      if (row < 32 && place_in_pass < kPassRows)
        copy_async(to + panel_chunk<kTeamTokens>(32 * s + row, chunk), from, is_there);
    }
  }
}

/*
 * How far a thread's copies are: where the next ones go, and what to tell when those under way have ended: that the
 * tile before is full.
 */
struct Progress {
  Place<kStages> keys;
  Place<kStages> values;
  u64 *full; /* of the tile that was begun last; null before the first */
};

/* Ends the copies of the tile before, which the consumers then may take. */
template <int kPending> void end_copies(Progress &progress, Barriers &barriers, u8 *shared) {
  copy_wait<kPending>();
  shared_written();
  if (progress.full)
    barrier_arrive(progress.full);
  progress.full = nullptr;
}

/* Begins a tile of K, or of V. */
void begin_keys(Progress &progress, const fi_attention_args &args, const Step &step, Barriers &barriers, u8 *shared) {
  const u32 stage = progress.keys.number();
  barrier_wait(&barriers.keys_empty[stage], progress.keys.parity_before());
  gather_tile<kQkDim>(args.k, step, keys_of_stage(shared, stage));
  copy_commit();
  end_copies<1>(progress, barriers, shared);
  progress.full = &barriers.keys_full[stage];
  progress.keys = progress.keys.next();
}

void begin_values(Progress &progress, const fi_attention_args &args, const Step &step, Barriers &barriers,
                  u8 *shared) {
  const u32 stage = progress.values.number();
  barrier_wait(&barriers.values_empty[stage], progress.values.parity_before());
  gather_tile<kVDim>(args.v, step, values_of_stage(shared, stage));
  copy_commit();
  end_copies<1>(progress, barriers, shared);
  progress.full = &barriers.values_full[stage];
  progress.values = progress.values.next();
}
