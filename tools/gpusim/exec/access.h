/* Address resolution shared by every instruction that touches memory. */
#ifndef GPUSIM_EXEC_ACCESS_H
#define GPUSIM_EXEC_ACCESS_H

#include "check/access_kind.h"
#include "machine/machine.h"

struct sim_access {
  uint64_t address[SIM_LANES];
  uint8_t *host[SIM_LANES];
  struct sim_allocation *allocation[SIM_LANES]; /* of lanes in global memory */
  uint32_t remote;                              /* of those in shared memory, in another block's */
  uint32_t shared;                              /* lanes by space; the rest read constants and parameters */
  uint32_t global;
  uint32_t local;
  uint32_t bytes;
};

/* Resolves address operand `which` of the instruction, checking bounds and alignment to `alignment`. */
void sim_resolve(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t which,
                 enum ptx_space space, uint32_t bytes, uint32_t alignment, struct sim_access *access);

/* The allocation of bytes of global memory, which has to hold all of them. */
struct sim_allocation *sim_check_global(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                                        uint64_t address, uint32_t bytes);

/* Global memory may be accessed only after the wait for the launch before. */
void sim_check_early(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

/* Shadow of a read: undefined bytes of the lane's data. */
uint32_t sim_access_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         const struct sim_access *access, enum sim_access_kind kind);
void sim_access_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      const struct sim_access *access, uint32_t undefined, enum sim_access_kind kind);

/* Ordering effects of a strong access, before (release) and after (acquire) the data moves. */
void sim_access_release(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                        const struct sim_access *access);
void sim_access_acquire(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                        const struct sim_access *access);

#endif
