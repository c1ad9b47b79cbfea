/* The points of the matrix: specs that must be tested. */
#ifndef TESTS_MATRIX_POINTS_H
#define TESTS_MATRIX_POINTS_H

#include "tests/matrix/dimensions.h"

#include <stddef.h>

/* A growing list; specs are canonical. */
struct points {
  fi_spec *specs;
  size_t count;
  size_t capacity;
  bool failed; /* out of memory */
};

void points_add(struct points *points, const fi_spec *canonical);
void points_free(struct points *points);

/* Canonical form of a spec that has a kernel on some target; false when it has none. */
bool points_canonical(const fi_spec *spec, fi_spec *canonical);

/* The full product of the dimensions' product values, as far as it is supported. */
void points_product(const struct dimensions *dimensions, struct points *points);

/* Points in which each pair of two dimensions' cover values occurs that occurs in any supported spec. */
void points_cover(const struct dimensions *dimensions, struct points *points);

#endif
