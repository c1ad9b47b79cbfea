/* Resident blocks. */
#ifndef GPUSIM_EXEC_BLOCK_H
#define GPUSIM_EXEC_BLOCK_H

#include "machine/machine.h"

sim_block *sim_block_create(sim_launch *launch);
void sim_block_start(sim_block *block, uint32_t index);
void sim_block_destroy(sim_block *block);

#endif
