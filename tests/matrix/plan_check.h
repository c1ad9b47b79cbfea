/* Whether a plan is right: every row, head and KV token in one item, even shares, partials that do not collide. A mix
 * has a plan for each of its members, and every request is in one of them. */
#ifndef TESTS_MATRIX_PLAN_CHECK_H
#define TESTS_MATRIX_PLAN_CHECK_H

#include "tests/matrix/trial.h"

#include <stdint.h>

/* What was planned; arrays of the host. */
struct planned {
  fi_kernel *kernel;
  const fi_spec *spec; /* canonical */
  const fi_workspace *workspace;
  const int32_t *page_table; /* as fi_plan got it: of the device */
  uint32_t first_token;      /* of the first request: those before it belong to nobody */
  uint32_t requests;
  const uint32_t *q_len;
  const uint32_t *kv_len;
  const int32_t *kv_indptr; /* for FI_INDEX_CSR */
  const fi_batch *masks;    /* kv_start, ranges and range_indptr of the host; NULL: the spec has none */
  bool queue_pays;          /* whole units in a queue are better than even shares */
  int least_sections;       /* that the plan must have on several CTAs; 0 or 1: none need form */
};

bool plan_check(struct trial *trial, const struct planned *planned);

#endif
