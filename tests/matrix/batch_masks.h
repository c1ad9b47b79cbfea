/* What the masks of a random batch need besides lengths: starts of requests, and ranges. */
#ifndef TESTS_MATRIX_BATCH_MASKS_H
#define TESTS_MATRIX_BATCH_MASKS_H

#include "tests/matrix/batch_case.h"

/* Draws it for a batch that has its lengths. */
bool batch_masks_create(struct batch_case *batch, struct trial *trial);

/* From the first to after the last KV token that some query token of a request sees. */
void batch_masks_seen(const struct batch_case *batch, uint32_t request, int64_t *first, int64_t *end);

#endif
