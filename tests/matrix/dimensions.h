/* The axes of the spec, and the target, with the values that the matrix gives them. */
#ifndef TESTS_MATRIX_DIMENSIONS_H
#define TESTS_MATRIX_DIMENSIONS_H

#include "flashjit.h"
#include "generator/target.h"

#include <stdbool.h>
#include <stdint.h>

enum { MOST_NEEDS = 32, MOST_DIMENSIONS = 40, MOST_VALUES = 32, MOST_TARGETS = 32 };

/* What kernels are made for; the first is that of the device at hand. */
struct target_list {
  uint32_t count;
  const struct target *of[MOST_TARGETS];
};

/* What the matrix tests at once: a kernel, and the target that it is made for. */
struct point {
  fi_spec spec;
  uint32_t target; /* number in the target list */
};

/* An axis, or the target. 0 is the axis's default, as everywhere in a spec. */
struct dimension {
  const char *key;
  uint32_t offset; /* of its value in struct point */
  uint32_t count;
  uint32_t values[MOST_VALUES];
  uint32_t product_count;        /* of a card axis: how many of the values are in the full product; 0 of others */
  uint32_t product[MOST_VALUES]; /* their numbers in values */
};

/*
 * What there is no kernel without: where dimension `of` has its value number `value`, dimension `other` has its value
 * number `needed`. Random points that do not know of it would hardly ever be kernels.
 */
struct need {
  uint32_t of;
  uint32_t value;
  uint32_t other;
  uint32_t needed;
};

/* The dimensions of one op: all axes that it reads, except the op itself, and the target. */
struct dimensions {
  uint32_t op;
  const struct target_list *targets;
  uint32_t count;
  struct dimension of[MOST_DIMENSIONS];
  uint32_t need_count;
  struct need needs[MOST_NEEDS];
};

/* False, with a problem, when the table does not fit axes.def. */
bool dimensions_load(uint32_t op, const struct target_list *targets, struct dimensions *dimensions);

uint32_t dimension_get(const struct dimension *dimension, const struct point *point);
void dimension_set(const struct dimension *dimension, struct point *point, uint32_t value);

#endif
