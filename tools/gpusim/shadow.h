/* Checks of single accesses: races, pending copies and definedness. Reads return a bit per undefined byte. */
#ifndef GPUSIM_SHADOW_H
#define GPUSIM_SHADOW_H

#include "machine.h"

/* How an access takes part in the checks. */
typedef enum {
  SIM_PLAIN,
  SIM_COLLECTIVE, /* by all lanes of the warp at once, like ldmatrix */
  SIM_ATOMIC      /* strong: races with plain accesses only */
} sim_access_kind;

uint32_t sim_shared_read(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t offset, uint32_t bytes,
                         sim_access_kind kind);
/* `undefined` has a bit per byte that is written with an undefined value. */
void sim_shared_write(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t offset, uint32_t bytes,
                      uint32_t undefined, sim_access_kind kind);
void sim_shared_copy_begin(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t offset, uint32_t bytes);
void sim_shared_copy_end(sim_warp *warp, uint32_t lane, uint32_t offset, uint32_t bytes, uint32_t undefined);

uint32_t sim_global_read(sim_warp *warp, const sim_inst *inst, uint32_t lane, sim_allocation *allocation,
                         uint64_t address, uint32_t bytes, sim_access_kind kind);
void sim_global_write(sim_warp *warp, const sim_inst *inst, uint32_t lane, sim_allocation *allocation, uint64_t address,
                      uint32_t bytes, sim_access_kind kind);

enum { SIM_TAG_MAX = 1023 };

#endif
