/* Clusters: blocks that run together and see each other's shared memory. A block without one is a cluster of its own.
 */
#ifndef GPUSIM_MACHINE_CLUSTER_H
#define GPUSIM_MACHINE_CLUSTER_H

#include "machine/machine.h"

enum { SIM_MAX_CLUSTER = 16, SIM_CLUSTER_SHIFT = 24 };

struct sim_cluster {
  struct sim_block *blocks[SIM_MAX_CLUSTER]; /* by rank */
  uint32_t count;
  uint32_t index;
  uint32_t arrived; /* threads at the cluster's barrier */
  uint32_t phase;   /* of the barrier */
};

/* An address in the shared memory of a cluster: the offset in a block's, and above it the rank + 1 of the block, or 0
 * for the block that uses the address. NULL when there is no such block. */
static inline struct sim_block *sim_cluster_owner(struct sim_block *block, uint64_t address) {
  uint64_t rank = address >> SIM_CLUSTER_SHIFT;
  if (rank == 0)
    return block;
  return rank <= block->cluster->count ? block->cluster->blocks[rank - 1] : NULL;
}

static inline uint32_t sim_cluster_offset(uint64_t address) {
  return (uint32_t)address & ((1u << SIM_CLUSTER_SHIFT) - 1);
}

static inline uint64_t sim_cluster_address(uint32_t rank, uint64_t address) {
  return (uint64_t)(rank + 1) << SIM_CLUSTER_SHIFT | sim_cluster_offset(address);
}

#endif
