/* What edges are made of: a batch whose values they change, and rows of its tensors. */
#ifndef TESTS_MATRIX_EDGES_H
#define TESTS_MATRIX_EDGES_H

#include "tests/matrix/batch_case.h"
#include "tests/matrix/trial.h"

struct edge_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
  struct reference reference;
  bool sums_exactly; /* sums of products of e4m3 lose what is small beside the largest of them */
};

bool edge_rotates(const fi_spec *spec);
/* What a snippet makes of scores beyond all floats is not what it makes of doubles. */
bool edge_has_snippet(const fi_spec *spec);
/* The usual softmax scale. */
float edge_scale(const fi_spec *spec);

void *edge_q(const struct edge_run *run);
uint32_t edge_q_heads(const struct edge_run *run);
void edge_set_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double value);
void edge_multiply_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double factor);
void edge_set_k(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value);
/* The wide dims of a key. */
void edge_set_wide(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value);
void edge_set_v(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value);

/* Infinity and NaN, in what rows do not see and in Q of others. */
bool edge_hides_tokens(const fi_spec *spec);
void edge_fill_specials(struct edge_run *run);
void edge_fill_odd_queries(struct edge_run *run);

#endif
