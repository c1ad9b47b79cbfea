/* Asynchronous matrix products of a warp: issued, and not yet waited for. */
#ifndef GPUSIM_MACHINE_PRODUCT_H
#define GPUSIM_MACHINE_PRODUCT_H

#include "program/program.h"

enum { SIM_GROUP_WARPS = 4, SIM_PRODUCT_ROWS = 64, SIM_WARP_ROWS = 16, SIM_PRODUCT_COLUMNS = 256 };

struct sim_read;

/* A warp's part of one product: 16 rows of A and of D. */
struct sim_product {
  const struct sim_inst *inst;
  uint64_t a; /* descriptors */
  uint64_t b;
  uint32_t group; /* commits of the warp before it */
  bool adds;      /* to what the accumulators hold */
  struct sim_read *read_a;
  struct sim_read *read_b;
  struct sim_read *reads[2 * SIM_GROUP_WARPS];          /* of all warps of the group, once it is computed */
  uint16_t undefined_rows;                              /* of A */
  uint64_t undefined_columns[SIM_PRODUCT_COLUMNS / 64]; /* of B, as far as this warp has looked */
};

struct sim_products {
  struct sim_product *items; /* oldest first */
  uint32_t count;
  uint32_t capacity;
  uint32_t first;   /* number of the oldest, counted from the warp's start */
  uint32_t commits; /* groups */
  uint32_t done;    /* products of the warp that have been computed */
  bool fenced;      /* since registers were free to use */
  const struct sim_inst *last;
  uint8_t *busy; /* what a slot is in flight as: 0, or SIM_BUSY_* */
};

enum { SIM_BUSY_RESULT = 1, SIM_BUSY_OPERAND };

#endif
