/* Arrivals at a block barrier. */
#ifndef GPUSIM_EXEC_BARRIER_H
#define GPUSIM_EXEC_BARRIER_H

#include "machine/machine.h"

/* Mode of barrier instructions. */
enum { SIM_REDUCE_NONE, SIM_REDUCE_POPC, SIM_REDUCE_AND, SIM_REDUCE_OR };

void sim_barrier_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id,
                        uint32_t expected);
void sim_barrier_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id,
                      uint32_t expected);

#endif
