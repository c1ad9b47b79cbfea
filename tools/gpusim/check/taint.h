/* Undefined bytes of registers: eight bits for each lane of a slot. */
#ifndef GPUSIM_CHECK_TAINT_H
#define GPUSIM_CHECK_TAINT_H

#include "machine/machine.h"

/* Sets or clears the undefined bytes of one lane of a slot. */
void sim_set_taint(sim_warp *warp, uint32_t slot, uint32_t lane, uint32_t undefined);

/* Undefined bytes of the elements that one lane stores; they begin at source `first`. */
uint32_t sim_stored_taint(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t first);

/* Rules: what the results of an instruction are, by its sources. */
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
