/* Instructions on their way from operands to the program. */
#ifndef GPUSIM_PROGRAM_EMIT_H
#define GPUSIM_PROGRAM_EMIT_H

#include "program/decoder.h"

enum { SIM_MAX_OPERANDS = 160 };

/* Operands of one instruction while they are read. */
typedef struct {
  uint32_t values[SIM_MAX_OPERANDS];
  uint32_t count;
  sim_inst inst;
} sim_draft;

/* The first form after `after` (NULL: of all) whose pattern the opcode matches, or NULL. */
const sim_form *sim_next_form(const sim_decoder *decoder, const char *opcode, const sim_form *after,
                              sim_captures *captures);

/* Appends the draft as an instruction of the form. */
void sim_emit(sim_decoder *decoder, sim_draft *draft, const sim_form *form);

/* Appends an instruction of a form found by opcode, with the given operand values, the first of them its result. */
void sim_emit_helper(sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count);

/* Makes the instruction one that all lanes execute. */
void sim_no_guard(sim_decoder *decoder, sim_inst *inst);

#endif
