/* Checks of accesses to shared memory. Reads return a bit per undefined byte. */
#ifndef GPUSIM_CHECK_SHARED_H
#define GPUSIM_CHECK_SHARED_H

#include "check/access_kind.h"
#include "machine/machine.h"

/* The shadow of so many bytes of shared memory; released with free(). */
struct sim_cell *sim_shared_cells(uint32_t bytes);

/* Forgets all: memory is undefined. */
void sim_shared_clear(struct sim_cell *cells, uint32_t bytes);

uint32_t sim_shared_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                         uint32_t bytes, enum sim_access_kind kind);
/* `undefined` has a bit per byte that is written with an undefined value. */
void sim_shared_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                      uint32_t bytes, uint32_t undefined, enum sim_access_kind kind);
/* Words of an mbarrier are for its instructions alone. */
void sim_shared_mark_mbarrier(struct sim_block *block, uint32_t offset, bool marked);

void sim_shared_copy_begin(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                           uint32_t bytes);
void sim_shared_copy_end(struct sim_warp *warp, uint32_t lane, uint32_t offset, uint32_t bytes, uint32_t undefined);

#endif
