/* Lists of blocks of a random batch. */
#ifndef TESTS_MATRIX_BATCH_LISTS_H
#define TESTS_MATRIX_BATCH_LISTS_H

#include "tests/matrix/batch_case.h"

/* For spec.select: draws lists and their lengths, and the workspace's bound of these. */
bool batch_lists_create(struct batch_case *batch, struct trial *trial);

/* Their part of the public structs. */
void batch_lists_lengths(const struct batch_case *batch, bool on_host, fi_batch *lengths);
void batch_lists_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

/* Whether some query token and head of a request has a KV token in its list; true without lists,
 * and where they are of a second KV. */
bool batch_lists_have(const struct batch_case *batch, uint32_t request, uint32_t kv_token);

#endif
