/* The row of `flashjit doctor`. */
#ifndef TOOLS_FLASHJIT_DOCTOR_H
#define TOOLS_FLASHJIT_DOCTOR_H

#include "tools/flashjit/option_table.h"

extern const struct cli_command doctor_command;

#endif
