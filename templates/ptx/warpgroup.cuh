//# What a warpgroup does together: its products of matrices, and its share of the registers.

/* Before products: what its threads wrote to the registers that these read is in them. */
void products_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/* Closes the group of products that were started since the last one. */
void products_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most kPending groups are under way. */
template <int kPending> void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(kPending) : "memory");
}

/* What this thread wrote to shared memory is seen by products and by copies of tensor maps after the next barrier. */
void shared_written() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* Gives registers back, or takes them: each thread of the warpgroup has so many from here on. */
template <u32 kRegisters> void keep_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(kRegisters));
}

template <u32 kRegisters> void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(kRegisters));
}

/*
 * A value that all threads of a warp have, as the compiler knows of what this instruction gives. Where branches are the
 * same for a warp too, descriptions of matrices that are made of it stay in registers of the warp, which products take
 * them from. Else every product is held up by four moves to these.
 */
u32 uniform(u32 value) {
  u32 same;
  asm volatile("redux.sync.or.b32 %0, %1, %2;" : "=r"(same) : "r"(value), "n"(kAllLanes));
  return same;
}
