/* Holds what the kernels left in host copies of O and the cache against the reference, on several threads. */
#ifndef TOOLS_FLASHJIT_VERIFY_H
#define TOOLS_FLASHJIT_VERIFY_H

#include "tests/measure.h"
#include "tests/reference.h"

/* One launch of append, and of attention unless attends is false; all pointers are host pointers. */
struct verify_step {
  struct reference append;
  struct reference attention;
  bool attends;
  uint32_t dtype; /* whose tolerance its O has (measure_dtype) */
  double budget;  /* multiplications that are worth doing; rows beyond it are sampled, and then requests and heads */
  uint64_t seed;  /* of the sample */
};

/* An element that is not what it should be. */
struct mismatch {
  const char *tensor; /* NULL: there is none */
  uint32_t request;
  uint32_t token; /* index in the request's KV */
  uint32_t head;
  uint32_t dim;
  double got;
  double expected;
};

/* What was found of one kernel. */
struct verdict {
  struct measure measure; /* of attention; of append only the rows */
  double steps;           /* of append: the largest deviation in rounding steps, of which one is allowed */
  uint64_t rows;          /* that the launch wrote; measure.rows of them were checked */
  struct mismatch first;
};

struct verify_result {
  struct verdict append;
  struct verdict attention;
};

/* False when there is no memory for it. */
bool verify_step(const struct verify_step *step, struct verify_result *result);

#endif
