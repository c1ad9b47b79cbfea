/* Where the variables of a program lie. */
#ifndef GPUSIM_PROGRAM_LAYOUT_H
#define GPUSIM_PROGRAM_LAYOUT_H

#include "program/program.h"

/* Places the entry's parameters, and the variables of the entry and of all functions that it may call. */
void sim_lay_out(struct sim_program *program);

#endif
