/* Operands to values. */
#ifndef GPUSIM_PROGRAM_VALUES_H
#define GPUSIM_PROGRAM_VALUES_H

#include "program/decoder.h"

/* Each returns false when the operand does not fit the letter. */
bool sim_source_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value);
bool sim_destination_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value);
ptx_class sim_operand_class(const sim_decoder *decoder, const ptx_operand *operand);

#endif
