/* Registers of matrix products in flight. */
#ifndef GPUSIM_CHECK_BUSY_H
#define GPUSIM_CHECK_BUSY_H

#include "machine/machine.h"

/* A product of the warp holds its registers. */
void sim_busy_add(struct sim_warp *warp, const struct sim_inst *inst);

/* Those of the products that are still in flight, and no others. */
void sim_busy_renew(struct sim_warp *warp);

/* A fault when the instruction uses one of them. */
void sim_busy_check(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

/* The same for another product, which may go on with the accumulators of one in flight. */
void sim_busy_check_product(const struct sim_warp *warp, const struct sim_inst *inst);

#endif
