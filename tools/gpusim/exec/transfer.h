/* Bulk copies between global and shared memory, in flight. */
#ifndef GPUSIM_EXEC_TRANSFER_H
#define GPUSIM_EXEC_TRANSFER_H

#include "exec/reduce.h"
#include "machine/machine.h"
#include "machine/tensor_map.h"

enum { SIM_BULK_ALIGNMENT = 16, SIM_BOX_ALIGNMENT = 128 };

/* Mode of a load that goes to the blocks of a mask: the source after its mbarrier. */
enum { SIM_MULTICAST = 1 };

/* The mask of a lane; 0: the load goes to one block. */
uint32_t sim_transfer_mask(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane);

/* Issues a copy of a box to shared memory, whose bytes an mbarrier waits for; both at these addresses of a block, or of
 * each block of a cluster in `mask`. */
void sim_transfer_load(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                       uint64_t destination, uint64_t mbarrier, uint32_t mask);

/* Issues a copy of a box from shared memory, for a bulk group of the lane. */
void sim_transfer_store(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                        uint64_t source, enum sim_reduction reduction);

/* What the lanes have issued since the last time is a group. */
void sim_transfer_commit(struct sim_warp *warp, uint32_t lanes);

/* The groups of the lanes but the last `pending` have ended; or only their reads of shared memory. */
void sim_transfer_wait(struct sim_warp *warp, uint32_t lanes, uint32_t pending, bool only_reads);

/* At the end of a block: what is in flight has to have ended, but for writes of global memory. */
void sim_transfer_finish(struct sim_block *block);

#endif
