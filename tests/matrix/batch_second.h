/* The second KV of a random batch. */
#ifndef TESTS_MATRIX_BATCH_SECOND_H
#define TESTS_MATRIX_BATCH_SECOND_H

#include "tests/matrix/batch_case.h"

/* For spec.second_page: draws the lengths, which lists are drawn by; then all the rest. */
bool batch_second_draw(struct batch_case *batch, struct trial *trial);
bool batch_second_create(struct batch_case *batch, struct trial *trial);
void batch_second_upload(const struct batch_case *batch, struct trial *trial);
void batch_second_free(struct batch_case *batch, struct trial *trial);

/* Its part of the public structs. */
void batch_second_lengths(const struct batch_case *batch, bool on_host, fi_batch *lengths);
void batch_second_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

/* The lengths of the KV that the lists of a batch are of. */
const uint32_t *batch_second_listed_lengths(const struct batch_case *batch);

#endif
