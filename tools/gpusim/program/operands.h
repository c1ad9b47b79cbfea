/* The operands of a statement. */
#ifndef GPUSIM_PROGRAM_OPERANDS_H
#define GPUSIM_PROGRAM_OPERANDS_H

#include "program/emit.h"

/* Reads every operand of the current statement by the letters of the form; false when the shapes differ. Targets of
 * branches are numbers of statements. */
bool sim_read_operands(struct sim_decoder *decoder, struct sim_draft *draft, const struct sim_form *form);

#endif
