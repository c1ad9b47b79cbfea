/* The points of the matrix: kernels that must be tested. */
#ifndef TESTS_MATRIX_POINTS_H
#define TESTS_MATRIX_POINTS_H

#include "tests/matrix/dimensions.h"

#include <stddef.h>

/* A growing list; specs are canonical. */
struct points {
  struct point *of;
  size_t count;
  size_t capacity;
  bool failed; /* out of memory */
};

void points_add(struct points *points, const struct point *canonical);
void points_free(struct points *points);

/* Canonical form of a point whose spec has a kernel on its target; false when it has none. */
bool points_canonical(const struct target_list *targets, const struct point *point, struct point *canonical);

/*
 * Two lists. The full product of the card axes, as far as it is supported, for the first target: the other axes have
 * values with which many pairs occur. Then points in which each pair of two dimensions' values occurs that occurs in
 * any supported point, and in none of the product. An op without card axes has no product. Either list may be NULL.
 */
void points_make(const struct dimensions *dimensions, struct points *product, struct points *pairs);

#endif
