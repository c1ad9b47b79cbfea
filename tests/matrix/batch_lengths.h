/* The lengths of a random batch. */
#ifndef TESTS_MATRIX_BATCH_LENGTHS_H
#define TESTS_MATRIX_BATCH_LENGTHS_H

#include "tests/matrix/batch_case.h"

/* Draws requests, KV heads and the bounds of the workspace for batch->kind and batch->tile. */
void batch_lengths_draw(struct batch_case *batch, struct trial *trial);

#endif
