/* Address resolution shared by every instruction that touches memory. */
#ifndef GPUSIM_ACCESS_H
#define GPUSIM_ACCESS_H

#include "machine.h"
#include "shadow.h"

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

/* Sets or clears the undefined bytes of one lane of a slot. */
void sim_set_taint(sim_warp *warp, uint32_t slot, uint32_t lane, uint32_t undefined);

/* Undefined bytes of the elements that one lane stores; they begin at source `first`. */
uint32_t sim_stored_taint(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t first);

/* Of a form's opcode: who sees an access, as sim_set_order reads it. */
#define SIM_SCOPE "[.cta|.cluster|.gpu|.sys]"

/* modifiers.c: size, space and order of the instruction from the captures with these indices. False where the
 * type is none of memory. */
bool sim_set_type(sim_inst *inst, const sim_captures *captures, uint32_t index);
void sim_set_space(sim_inst *inst, const sim_captures *captures, uint32_t index);
void sim_set_order(sim_inst *inst, const sim_captures *captures, uint32_t semantics, uint32_t scope);

/* Taint rules; see taint.c. */
void sim_taint_any(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_copy(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_select(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_and(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_or(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_shift_left(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_shift_right(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_pack(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_unpack(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_halves(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_permute(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_low_word(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_low_half(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_address(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_warp(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_none(sim_warp *warp, const sim_inst *inst, uint32_t lanes);
void sim_taint_guard(sim_warp *warp, const sim_inst *inst, uint32_t lanes);

#endif
