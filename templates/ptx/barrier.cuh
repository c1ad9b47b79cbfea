//@use ptx/memory

//# Barriers in shared memory, on which threads and copies arrive. A phase ends when all have; a wait names the phase by
//# its parity.

/* Makes a barrier of so many arrivals. */
void barrier_open(u64 *barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

/* After the barriers are made: they are seen by copies of tensor maps too. */
void barriers_opened() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

void barrier_arrive(u64 *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(shared_address(barrier)) : "memory");
}

/* Arrives when the copies to shared memory that this thread has begun have ended. */
void barrier_arrive_copied(u64 *barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" : : "r"(shared_address(barrier)) : "memory");
}

/* Arrives for copies of so many bytes, whose arrival ends the phase. */
void barrier_expect(u64 *barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               : : "r"(shared_address(barrier)), "r"(bytes) : "memory");
}

/* Waits until the phase of a parity has ended; the phase before the first one counts as ended, and has parity 1. */
void barrier_wait(u64 *barrier, u32 parity) {
  u32 ended;
  do
    asm volatile("{.reg .pred ended; mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;"
                 "selp.u32 %0, 1, 0, ended;}"
                 : "=r"(ended) : "r"(shared_address(barrier)), "r"(parity) : "memory");
  while (!ended);
}
