/* The report of a block none of whose warps can go on. */
#ifndef GPUSIM_EXEC_DEADLOCK_H
#define GPUSIM_EXEC_DEADLOCK_H

#include "machine/machine.h"

/* Names what the first stuck warp waits for, then where all others stand. */
__attribute__((cold, noreturn)) void sim_report_deadlock(const struct sim_block *block);

#endif
