/* The scales of a quantised cache. */
#ifndef TESTS_MATRIX_BATCH_SCALES_H
#define TESTS_MATRIX_BATCH_SCALES_H

#include "tests/matrix/batch_case.h"

/* Their layout and buffers, NaN at first; the cache is there already. */
bool batch_scales_create(struct batch_case *batch, struct trial *trial);

/* Those that do not belong to tokens. */
void batch_scales_draw(struct batch_case *batch, struct trial *trial);

/* A token and head of a request's KV, and whether its rows are drawn too. */
struct scaled_token {
  uint32_t request;
  uint32_t token;
  uint32_t head;
  bool is_filled;
};

/* Those of a token and head, for attention. */
void batch_scales_draw_token(struct batch_case *batch, struct trial *trial, const struct reference *reference,
                             const struct scaled_token *at);

void batch_scales_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors);

#endif
