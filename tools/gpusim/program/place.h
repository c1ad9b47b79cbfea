/* Slots of all values of a program. */
#ifndef GPUSIM_PROGRAM_PLACE_H
#define GPUSIM_PROGRAM_PLACE_H

#include "program/decoder.h"

/* Gives every value its slot, and rewrites the operands of all instructions from values to slots. */
void sim_place_values(struct sim_decoder *decoder);

#endif
