/* Divergence and scheduling within a block. */
#ifndef GPUSIM_EXEC_SCHEDULER_H
#define GPUSIM_EXEC_SCHEDULER_H

#include "machine/cluster.h"

/* Runs until all blocks of the cluster have ended (true), or have used their budget of instructions or another block
 * failed (false). */
bool sim_run_cluster(struct sim_cluster *cluster, uint64_t budget);

/* Makes `lanes` of the current fragment a fragment of their own, and the current one. */
void sim_split(struct sim_warp *warp, uint32_t lanes);

/* True when every lane of `needed` executes now; otherwise the fragment waits for them and the instruction is
 * executed again. */
bool sim_converged(struct sim_warp *warp, uint32_t lanes, uint32_t needed);

/* Sends lanes of the current fragment to one target, or each to its own. */
void sim_branch(struct sim_warp *warp, uint32_t lanes, uint32_t target);
void sim_branch_each(struct sim_warp *warp, uint32_t lanes, const uint32_t targets[SIM_LANES]);

/* The current fragment waits for an event of its block, and executes the instruction again. */
void sim_wait_for_event(struct sim_warp *warp, uint32_t lanes);

/* What the lanes ask for has not come. True: they are told so now. False: they wait, as sim_wait_for_event has it;
 * at once if the instruction `blocks`, or else after many failures with no event between them. */
bool sim_poll_failed(struct sim_warp *warp, uint32_t lanes, bool blocks);

void sim_exit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

#endif
