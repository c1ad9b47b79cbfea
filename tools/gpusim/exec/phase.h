/* Phases of mbarrier objects: what ends them, and what those know who waited. */
#ifndef GPUSIM_EXEC_PHASE_H
#define GPUSIM_EXEC_PHASE_H

#include "machine/mbarrier.h"

/* The object at an address, for use by a lane; a fault where there is none or its initialisation is not ordered. */
struct sim_mbarrier *sim_phase_object(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                                      const struct sim_block *owner, uint32_t address);

/* `count` arrivals of a lane; `release` passes on what its warp knows. True when the phase has ended. */
bool sim_phase_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                      struct sim_mbarrier *mbarrier, uint32_t count, bool release);

/* Bytes that are expected from now on. */
void sim_phase_expect(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      struct sim_mbarrier *mbarrier, uint32_t bytes);

/* Bytes that have come. */
void sim_phase_complete(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                        struct sim_block *owner, struct sim_mbarrier *mbarrier, uint32_t bytes);

/* The warp has waited for the last phase that ended. */
void sim_phase_acquire(struct sim_warp *warp, const struct sim_mbarrier *mbarrier);

#endif
