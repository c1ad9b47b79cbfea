/* Address resolution shared by every instruction that touches memory. */
#ifndef GPUSIM_EXEC_ACCESS_H
#define GPUSIM_EXEC_ACCESS_H

#include "check/access_kind.h"
#include "machine/machine.h"

typedef struct {
  uint64_t address[SIM_LANES];
  uint8_t *host[SIM_LANES];
  sim_allocation *allocation[SIM_LANES]; /* of lanes in global memory */
  uint32_t shared, global, local;        /* lanes by space; the rest read constants and parameters */
  uint32_t bytes;
} sim_access;

/* Resolves address operand `which` of the instruction, checking bounds and alignment to `alignment`. */
void sim_resolve(sim_warp *warp, const sim_inst *inst, uint32_t lanes, uint32_t which, ptx_space space, uint32_t bytes,
                 uint32_t alignment, sim_access *access);

/* Shadow of a read: undefined bytes of the lane's data. */
uint32_t sim_access_read(sim_warp *warp, const sim_inst *inst, uint32_t lane, const sim_access *access,
                         sim_access_kind kind);
void sim_access_write(sim_warp *warp, const sim_inst *inst, uint32_t lane, const sim_access *access, uint32_t undefined,
                      sim_access_kind kind);

/* Ordering effects of a strong access, before (release) and after (acquire) the data moves. */
void sim_access_release(sim_warp *warp, const sim_inst *inst, uint32_t lanes, const sim_access *access);
void sim_access_acquire(sim_warp *warp, const sim_inst *inst, uint32_t lanes, const sim_access *access);

#endif
