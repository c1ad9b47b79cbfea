/* Checks of accesses to the shared memory of other blocks of the cluster. */
#ifndef GPUSIM_CHECK_REMOTE_H
#define GPUSIM_CHECK_REMOTE_H

#include "check/access_kind.h"
#include "machine/machine.h"

/* Undefined bytes of what is read. */
uint32_t sim_remote_read(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         struct sim_block *owner, uint32_t offset, uint32_t bytes, enum sim_access_kind kind);
void sim_remote_write(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                      uint32_t offset, uint32_t bytes, uint32_t undefined, enum sim_access_kind kind);

/* From now on who acquires from the block's `known` knows all remote writes to its memory so far. */
void sim_remote_publish(struct sim_block *owner, struct sim_known *known);

#endif
