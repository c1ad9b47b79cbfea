/* Launches. */
#ifndef GPUSIM_EXEC_LAUNCH_H
#define GPUSIM_EXEC_LAUNCH_H

#include "machine/machine.h"

enum { SIM_MAX_WORKERS = 256 };

/* Runs all blocks; `fault` of the launch says how it ended. */
void sim_launch_run(struct sim_launch *launch);

#endif
