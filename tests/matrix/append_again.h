/* Appends what is in the cache already: no bit of it may change. */
#ifndef TESTS_MATRIX_APPEND_AGAIN_H
#define TESTS_MATRIX_APPEND_AGAIN_H

#include "tests/matrix/batch_case.h"

/* Where append finds scales, and K is stored as it came. */
bool append_again_applies(const fi_spec *spec);

/* After a launch: takes what the new rows are worth from the cache, rounded to q_dtype, and launches again. */
bool append_again(struct trial *trial, struct batch_case *batch, fi_kernel *kernel,
                  bool (*launch)(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch));

#endif
