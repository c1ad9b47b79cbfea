/* Launches of attention, and its results against the reference. */
#ifndef TESTS_MATRIX_ATTENTION_CHECK_H
#define TESTS_MATRIX_ATTENTION_CHECK_H

#include "tests/matrix/batch_case.h"

/* Poisons the outputs, launches with the plan that is in the workspace, and brings the outputs back. */
bool attention_launch(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch,
                      const fi_tensors *tensors);

/* Whether all rows are right and nothing else was written. Leaves the outputs' host copies poisoned. */
bool attention_check(struct trial *trial, const struct batch_case *batch);

#endif
