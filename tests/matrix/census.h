/* Random legal specs, to find out whether each has a kernel. */
#ifndef TESTS_MATRIX_CENSUS_H
#define TESTS_MATRIX_CENSUS_H

#include "tests/matrix/points.h"

/*
 * Draws `specs` points that fi_spec_supported accepts, each for one of the targets, and some of those that it refused
 * on the way. Each axis has any of its legal values: of a range the default, any number, or one of any magnitude.
 */
void census_draw(const struct target_list *targets, uint32_t specs, uint64_t seed, struct points *accepted,
                 struct points *refused);

#endif
