//@use tile/threads

//# The warpgroups of a CTA: consumers, which have 64 rows of the tile each, and after them the producers.

constexpr u32 kConsumers = kWorkers / 128;
constexpr u32 kConsumerWarps = kWorkers / 32;

/* Warps of the producer: one brings items with their rows .. */
constexpr u32 kItemsWarp = kConsumerWarps;
//@if query_alone
/* .. and those that follow it bring Q and KV. */
constexpr u32 kQueryWarp = kItemsWarp + 1;
constexpr u32 kLoaderWarp = kQueryWarp + 1;
//@else
/* .. and Q, and those that follow it see to K and V. */
constexpr u32 kLoaderWarp = kItemsWarp + 1;
constexpr u32 kLoaderWarps = (kThreads - kWorkers) / 32 - 1;
//@end
//@if q_dtype == e4m3
constexpr u32 kTurnWarp = kLoaderWarp + 1;
constexpr u32 kTurnWarps = 2;
//@end
//@if query_alone == 0
constexpr u32 kFollowers = kLoaderWarps;
//@else
//@if v_source == keys && gathers == 0
constexpr u32 kFollowers = 2; /* one of them brings K, in which V is */
//@else
constexpr u32 kFollowers = 3;
//@end
//@end

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
