/* Lists of targets that the matrix makes kernels for. */
#ifndef TESTS_MATRIX_TARGETS_H
#define TESTS_MATRIX_TARGETS_H

#include "tests/matrix/dimensions.h"

#include <stddef.h>

/* All that have a cubin, or all that are PTX. */
void targets_of_form(bool ptx, struct target_list *targets);

/*
 * What can run on a device: its own target first; then, on the simulator, every PTX target, because it can be any GPU,
 * and on a GPU the PTX of older ones that is not for one architecture alone.
 */
bool targets_to_run(const char *own, bool is_simulated, struct target_list *targets);

/* "sm_80,sm_120a"; false, with a problem, when a name is unknown. */
bool targets_parse(const char *text, struct target_list *targets);

/* The number of the target in the list; targets->count when it is not there. */
uint32_t targets_find(const struct target_list *targets, const struct target *target);

#endif
