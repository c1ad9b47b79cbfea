/* Resident blocks. */
#ifndef GPUSIM_EXEC_BLOCK_H
#define GPUSIM_EXEC_BLOCK_H

#include "machine/machine.h"

struct sim_block *sim_block_create(struct sim_launch *launch);
void sim_block_start(struct sim_block *block, uint32_t index);
void sim_block_destroy(struct sim_block *block);

#endif
