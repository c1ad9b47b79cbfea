/* The tiles of the kernels around attention. Each has one. */
#include "tile_plans.h"

enum { PLAN_STATIC = 1024 }; /* shared memory for the plan kernel's static arrays */

static bool only_choice(uint32_t *choice) {
  return (*choice)-- == 0;
}

bool tile_plan_rows(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  (void)spec;
  (void)target;
  tile->threads = 128;
  tile->ctas_per_sm = 8;
  tile->rows = 1;
  tile->group_shares = 1;
  tile->heads = 1;
  tile->tokens = 1;
  return only_choice(choice);
}

bool tile_plan_batch(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  (void)spec;
  tile->threads = 256;
  tile->ctas_per_sm = 1;
  tile->rows = 1;
  tile->group_shares = 1;
  tile->heads = 1;
  tile->tokens = 1;
  tile->shared_bytes = target->shared_per_block - PLAN_STATIC;
  return only_choice(choice);
}
