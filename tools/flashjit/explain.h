/* The row of `flashjit explain`. */
#ifndef TOOLS_FLASHJIT_EXPLAIN_H
#define TOOLS_FLASHJIT_EXPLAIN_H

#include "tools/flashjit/option_table.h"

extern const struct cli_command explain_command;

#endif
