/* Whether a plan of requests that share prefixes is right, and how much KV it reads. */
#ifndef TESTS_MATRIX_PREFIX_CHECK_H
#define TESTS_MATRIX_PREFIX_CHECK_H

#include "tests/matrix/batch_case.h"

/* KV tokens on one head. */
struct prefix_cost {
  uint64_t read;     /* by the items */
  uint64_t unshared; /* by those of a plan that shares nothing */
  uint32_t widest;   /* most requests of an item */
  uint32_t deepest;  /* most items with rows of several requests that a row is in */
};

bool prefix_check(struct trial *trial, const struct batch_case *batch, fi_kernel *kernel, struct prefix_cost *cost);

/* Whether a plan is right, though it may share less than it could; and the fault that it tells of. */
bool prefix_check_told(struct trial *trial, const struct batch_case *batch, fi_kernel *kernel, struct prefix_cost *cost,
                       struct fi_fault *fault);

#endif
