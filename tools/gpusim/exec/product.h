/* Asynchronous matrix products of warpgroups: their order, what they read, and the registers that they hold. */
#ifndef GPUSIM_EXEC_PRODUCT_H
#define GPUSIM_EXEC_PRODUCT_H

#include "machine/descriptor.h"
#include "machine/machine.h"

/* The operands of a product. A matrix without lines is in registers, the first sources. */
struct sim_product_operands {
  struct sim_matrix a;
  struct sim_matrix b;
  uint32_t columns;
};

/* Computes the parts of all warps of the group. */
typedef void (*sim_compute_fn)(struct sim_warp *const warps[SIM_GROUP_WARPS],
                               const struct sim_product *const parts[SIM_GROUP_WARPS],
                               const struct sim_product_operands *operands);

typedef void (*sim_operands_fn)(const struct sim_product *part, struct sim_product_operands *operands);

/* Issues a warp's part. */
void sim_product_issue(struct sim_warp *warp, const struct sim_inst *inst, const struct sim_product *part,
                       const struct sim_product_operands *operands);

/* Computes and frees all but the last `pending` groups of the warp. False when other warps have not issued their parts:
 * then the instruction is executed again. */
bool sim_product_wait(struct sim_warp *warp, uint32_t lanes, uint32_t pending, sim_compute_fn compute,
                      sim_operands_fn operands_of);

#endif
