/* Reductions of bulk copies. */
#ifndef GPUSIM_EXEC_REDUCE_H
#define GPUSIM_EXEC_REDUCE_H

#include "program/pattern.h"

#include <stdint.h>

/* What a copy from shared memory does to the elements that it meets. */
enum sim_reduction {
  SIM_REPLACE,
  SIM_REDUCE_ADD,
  SIM_REDUCE_MIN,
  SIM_REDUCE_MAX,
  SIM_REDUCE_INC,
  SIM_REDUCE_DEC,
  SIM_REDUCE_BIT_AND,
  SIM_REDUCE_BIT_OR,
  SIM_REDUCE_BIT_XOR
};

/* The one that a capture names. */
enum sim_reduction sim_reduction_of(const struct sim_captures *captures, uint32_t index);

/* Combines elements of a sim_tensor_type at `to` with those at `from`, by the reduction. */
void sim_reduce(enum sim_reduction reduction, uint32_t type, uint32_t element_bytes, uint8_t *to, const uint8_t *from,
                uint32_t bytes);

#endif
