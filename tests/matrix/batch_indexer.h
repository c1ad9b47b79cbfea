/* What an indexer reads besides Q and K, and its lists. */
#ifndef TESTS_MATRIX_BATCH_INDEXER_H
#define TESTS_MATRIX_BATCH_INDEXER_H

#include "tests/matrix/batch_case.h"

/* Bounds, strides and room. */
bool batch_indexer_create(struct batch_case *batch, struct trial *trial);

/* Weights; in some batches whole numbers for Q, K and weights, so that scores are exact and many are equal. */
void batch_indexer_draw(struct batch_case *batch, struct trial *trial);

void batch_indexer_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

#endif
