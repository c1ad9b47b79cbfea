/* What an indexer reads besides Q and K, and its lists. */
#ifndef TESTS_MATRIX_BATCH_INDEX_H
#define TESTS_MATRIX_BATCH_INDEX_H

#include "tests/matrix/batch_case.h"

/* Bounds, strides and room. */
bool batch_index_create(struct batch_case *batch, struct trial *trial);

/* Weights; in some batches whole numbers for Q, K and weights, so that scores are exact and many are equal. */
void batch_index_draw(struct batch_case *batch, struct trial *trial);

void batch_index_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

#endif
