/* Type, state space and order of an access, from the modifiers of its opcode. */
#ifndef GPUSIM_PROGRAM_MODIFIERS_H
#define GPUSIM_PROGRAM_MODIFIERS_H

#include "program/form.h"

/* Of a form's opcode: who sees an access, as sim_set_order reads it. */
#define SIM_SCOPE "[.cta|.cluster|.gpu|.sys]"

/* Each sets a part of the instruction from the captures with these indices. False where the type is none of memory. */
bool sim_set_type(struct sim_inst *inst, const struct sim_captures *captures, uint32_t index);
void sim_set_space(struct sim_inst *inst, const struct sim_captures *captures, uint32_t index);
void sim_set_order(struct sim_inst *inst, const struct sim_captures *captures, uint32_t semantics, uint32_t scope);

#endif
