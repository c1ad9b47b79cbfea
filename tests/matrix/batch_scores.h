/* What a random batch has for specs that change scores or end rows in another way: cap, sinks, biases. */
#ifndef TESTS_MATRIX_BATCH_SCORES_H
#define TESTS_MATRIX_BATCH_SCORES_H

#include "tests/matrix/batch_case.h"

/* Draws what the spec reads, once lengths are known. */
bool batch_scores_draw(struct batch_case *batch, struct trial *trial);

/* Its part of the tensors, for host or device. */
void batch_scores_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

#endif
