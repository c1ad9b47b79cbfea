//@use ptx/types

//# CTAs of a cluster, which are on the machine together and read each other's shared memory.

//@if overlaps && members < 2
constexpr int kClusterCtas = 8;

u32 rank_in_cluster() {
  u32 rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

/* Waits for all threads of the cluster, which see what each has written. */
void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/* What another CTA of the cluster has where a number of this one's shared memory is. */
int load_of_rank(const int *own, u32 rank) {
  u32 there;
  int value;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(there) : "r"((u32)__cvta_generic_to_shared(own)), "r"(rank));
  asm volatile("ld.shared::cluster.s32 %0, [%1];" : "=r"(value) : "r"(there) : "memory");
  return value;
}
//@else
constexpr int kClusterCtas = 1; /* the target has none, or CTAs are so many that they would wait for room */

u32 rank_in_cluster() {
  return 0;
}

void cluster_sync() {
  __syncthreads();
}

int load_of_rank(const int *own, u32 rank) {
  return *own;
}
//@end
