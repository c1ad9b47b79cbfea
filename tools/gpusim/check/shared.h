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

/* A cp.async of a lane, and its end: a write by an actor at its clock. */
void sim_shared_copy_begin(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                           uint32_t bytes);
void sim_shared_copy_end(struct sim_block *block, uint32_t actor, uint32_t clock, uint32_t lane, uint32_t offset,
                         uint32_t bytes, uint32_t undefined);

/* Reports an access to bytes that an operation in flight will write, or that are an mbarrier's. */
__attribute__((cold, noreturn)) void sim_shared_fault_pending(const struct sim_warp *warp, const struct sim_inst *inst,
                                                              uint32_t lane, const struct sim_block *owner,
                                                              uint32_t offset, const char *what);

/* Reports an access that nothing orders with the write that the cell had last. */
__attribute__((cold, noreturn)) void sim_shared_fault_race(const struct sim_warp *warp, const struct sim_inst *inst,
                                                           uint32_t lane, const struct sim_cell *cell, uint32_t offset,
                                                           const char *what);

/* "warp 3", or the copy that an agent has made. */
void sim_shared_describe_actor(const struct sim_block *block, uint32_t actor, char *text, size_t bytes);

#endif
