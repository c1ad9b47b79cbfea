/* Instructions on their way from operands to the program. */
#ifndef GPUSIM_PROGRAM_EMIT_H
#define GPUSIM_PROGRAM_EMIT_H

#include "program/decoder.h"

enum { SIM_MAX_OPERANDS = 280 };

/* Operands of one instruction while they are read. */
struct sim_draft {
  uint32_t values[SIM_MAX_OPERANDS];
  uint32_t count;
  struct sim_inst inst;
};

/* The first form after `after` (NULL: of all) whose pattern the opcode matches, or NULL. */
const struct sim_form *sim_next_form(const struct sim_decoder *decoder, const char *opcode,
                                     const struct sim_form *after, struct sim_captures *captures);

/* Appends the draft as an instruction of the form. */
void sim_emit(struct sim_decoder *decoder, struct sim_draft *draft, const struct sim_form *form);

/* Appends an instruction of a form found by opcode, with the given operand values, the first of them its result. */
void sim_emit_helper(struct sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count);

/* Makes the instruction one that all lanes execute. */
void sim_no_guard(struct sim_decoder *decoder, struct sim_inst *inst);

#endif
