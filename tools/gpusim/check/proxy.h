/* Checks of accesses to shared memory by operations of the asynchronous proxy: bulk copies and matrix products. */
#ifndef GPUSIM_CHECK_PROXY_H
#define GPUSIM_CHECK_PROXY_H

#include "machine/machine.h"

/* A fence of the warp between the proxies. */
void sim_proxy_fence(struct sim_warp *warp);

/* A read of whole words that a lane's operation begins. True when some are undefined. */
bool sim_proxy_read(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                    uint32_t bytes);

/* A write of whole words to a block's memory that a lane's operation begins, and its end: by an actor of that block at
 * its clock. `undefined` has a bit per byte, for at most 32 bytes. */
void sim_proxy_write_begin(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                           struct sim_block *owner, uint32_t offset, uint32_t bytes);
void sim_proxy_write_end(struct sim_block *owner, uint8_t actor, uint32_t clock, uint32_t offset, uint32_t bytes,
                         uint32_t undefined);

#endif
