/* Resident blocks, in clusters. */
#ifndef GPUSIM_EXEC_BLOCK_H
#define GPUSIM_EXEC_BLOCK_H

#include "machine/cluster.h"

struct sim_cluster *sim_cluster_create(struct sim_launch *launch);
void sim_cluster_start(struct sim_cluster *cluster, struct sim_worker *worker, uint32_t index);
void sim_cluster_destroy(struct sim_cluster *cluster);

#endif
