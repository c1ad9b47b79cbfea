/* The command that times a row of the table alone. */
#ifndef TOOLS_BENCH_REPRO_H
#define TOOLS_BENCH_REPRO_H

#include "tools/bench/bench_choice.h"

/* As words of a shell, to be freed, with what of the choice makes the row; NULL without memory. */
char *repro_command(const struct bench_choice *choice, const struct bench_case *what, const char *provider);

#endif
