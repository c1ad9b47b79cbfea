//@use ptx/types

//# Who acts: functions in which threads work together take them as a value.

/* Threads of a CTA that act together: kCount of them from `first` on, with a barrier of their own. */
template <u32 kCount> struct Threads {
  u32 first;
  u32 barrier; /* 0 is that of the whole CTA */

  /* The thread's number among them, worked out anew at each use (see fresh_thread). */
  u32 number() const {
    return (fresh_thread() - first) % kCount;
  }

  bool leads() const {
    return threadIdx.x == first;
  }

  void sync() const {
    if constexpr (kCount == 32)
      __syncwarp();
    else if constexpr (kCount == kThreads)
      __syncthreads();
    else
      asm volatile("barrier.sync %0, %1;" ::"r"(barrier), "n"(kCount) : "memory");
  }
};

typedef Threads<kThreads> Cta;

/* Those that compute. */
typedef Threads<kWorkers> Workers;
