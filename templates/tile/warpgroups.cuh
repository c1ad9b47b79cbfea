//@use tile/threads

//# The warpgroups of a CTA: consumers, each of which has 64 rows of the tile, and after them the producer.

constexpr u32 kConsumers = kWorkers / 128;
constexpr u32 kConsumerWarps = kWorkers / 32;

/* Warps of the producer: one brings rows of items, one Q, the others KV. */
constexpr u32 kRowsWarp = kConsumerWarps;
constexpr u32 kQueryWarp = kRowsWarp + 1;
constexpr u32 kLoaderWarp = kQueryWarp + 1;
constexpr u32 kGatherWarps = 2;

/* Numbers of barriers: 0 is that of the CTA. */
constexpr u32 kTurnBarrier = 1;
constexpr u32 kConsumerBarrier = kTurnBarrier + kConsumers;
constexpr u32 kWorkersBarrier = kConsumerBarrier + kConsumers;

typedef Threads<128> Warpgroup;

/* Which consumer a thread belongs to, of which the compiler knows that it is the same for a warp. */
u32 consumer() {
  return __shfl_sync(kAllLanes, threadIdx.x / 128, 0);
}

Warpgroup consumer_threads(u32 consumer) {
  return {consumer * 128, kConsumerBarrier + consumer};
}

/*
 * Consumers take turns at starting products: while one does, the others are at their softmax. The first begins as if
 * the last had passed the turn to it.
 */
void wait_turn(u32 consumer) {
  asm volatile("barrier.sync %0, 256;" : : "r"(kTurnBarrier + consumer) : "memory");
}

void pass_turn(u32 consumer) {
  asm volatile("barrier.arrive %0, 256;" : : "r"(kTurnBarrier + consumer) : "memory");
}

void open_turns(u32 consumer) {
  if (consumer == kConsumers - 1)
    pass_turn(0);
}

/* Takes the last turn that was passed to the first. */
void close_turns(u32 consumer) {
  if (consumer == 0)
    wait_turn(0);
}

u32 consumer_after(u32 consumer) {
  return consumer == kConsumers - 1 ? 0 : consumer + 1;
}
