/* Points of the matrix that have no kernel on a target, though they should. */
#ifndef TESTS_MATRIX_GAPS_H
#define TESTS_MATRIX_GAPS_H

#include "generator/target.h"

#include "flashjit.h"

#include <stdbool.h>

bool is_gap(const fi_spec *spec, const struct target *target);

#endif
