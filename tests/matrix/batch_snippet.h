/* What a random batch has for specs with a snippet: the parameters of the text in tests/snippet.h. */
#ifndef TESTS_MATRIX_BATCH_SNIPPET_H
#define TESTS_MATRIX_BATCH_SNIPPET_H

#include "tests/matrix/batch_case.h"

/* Draws the parameters, once lengths are known. */
bool batch_snippet_draw(struct batch_case *batch, struct trial *trial);

/* From the parameters of the first request to those of one alone. */
const void *batch_snippet_alone(const struct batch_case *batch, const void *params, uint32_t request);

#endif
