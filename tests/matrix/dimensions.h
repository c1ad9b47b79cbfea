/* The axes of the spec with the values that the matrix gives them. */
#ifndef TESTS_MATRIX_DIMENSIONS_H
#define TESTS_MATRIX_DIMENSIONS_H

#include "flashjit.h"

#include <stdbool.h>
#include <stdint.h>

enum { MOST_DIMENSIONS = 32, MOST_VALUES = 24 };

/* Values of a dimension; 0 is the axis's default, as everywhere in a spec. */
struct value_list {
  uint32_t count;
  uint32_t values[MOST_VALUES];
};

struct dimension {
  const char *key;
  uint32_t offset;           /* of the field in fi_spec */
  struct value_list product; /* in the full product */
  struct value_list cover;   /* in the pairwise cover */
};

/* The dimensions of one op: all axes that it reads, except the op itself. */
struct dimensions {
  uint32_t op;
  uint32_t count;
  struct dimension of[MOST_DIMENSIONS];
};

/* False, with the reason in why, when the table does not fit axes.def. */
bool dimensions_load(uint32_t op, struct dimensions *dimensions, char *why, size_t why_size);

uint32_t dimension_get(const struct dimension *dimension, const fi_spec *spec);
void dimension_set(const struct dimension *dimension, fi_spec *spec, uint32_t value);

#endif
