/* Which members a plan should divide a batch among, by their costs. */
#ifndef TESTS_MATRIX_MIX_CHOICE_H
#define TESTS_MATRIX_MIX_CHOICE_H

#include "flashjit_args.h"
#include "tests/matrix/batch_case.h"

/* Those that have work, a bit each. False where choices are so close that rounding decides. */
bool mix_choice(const struct fi_member *members, uint32_t count, const struct batch_case *batch, uint32_t *busy);

#endif
