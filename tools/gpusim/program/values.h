/* Operands to values. */
#ifndef GPUSIM_PROGRAM_VALUES_H
#define GPUSIM_PROGRAM_VALUES_H

#include "program/decoder.h"

/* Each returns false when the operand does not fit the letter. */
bool sim_source_value(struct sim_decoder *decoder, const struct ptx_operand *operand, char letter, uint32_t *value);
bool sim_destination_value(struct sim_decoder *decoder, const struct ptx_operand *operand, char letter,
                           uint32_t *value);
enum ptx_class sim_operand_class(const struct sim_decoder *decoder, const struct ptx_operand *operand);

#endif
