/* Undefined bytes of registers: eight bits for each lane of a slot. */
#ifndef GPUSIM_CHECK_TAINT_H
#define GPUSIM_CHECK_TAINT_H

#include "machine/machine.h"

/* Sets or clears the undefined bytes of one lane of a slot. */
void sim_set_taint(struct sim_warp *warp, uint32_t slot, uint32_t lane, uint32_t undefined);

/* Undefined bytes of the elements that one lane stores; they begin at source `first`. */
uint32_t sim_stored_taint(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t first);

/* Rules: what the results of an instruction are, by its sources. */
void sim_taint_any(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_copy(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_select(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_and(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_or(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_shift_left(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_shift_right(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_pack(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_unpack(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_halves(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_permute(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_low_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_low_half(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_address(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_warp(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_none(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);
void sim_taint_guard(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

#endif
