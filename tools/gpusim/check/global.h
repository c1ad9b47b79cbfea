/* Checks of accesses to global memory. Reads return a bit per undefined byte. */
#ifndef GPUSIM_CHECK_GLOBAL_H
#define GPUSIM_CHECK_GLOBAL_H

#include "check/access_kind.h"
#include "machine/machine.h"

/* Whether some of the allocation was written by this launch, or one that it may be beside. */
bool sim_global_is_fresh(const struct sim_warp *warp, const struct sim_allocation *allocation);

uint32_t sim_global_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         struct sim_allocation *allocation, uint64_t address, uint32_t bytes,
                         enum sim_access_kind kind);
void sim_global_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      struct sim_allocation *allocation, uint64_t address, uint32_t bytes, enum sim_access_kind kind);

enum { SIM_TAG_MAX = 1023 };

#endif
