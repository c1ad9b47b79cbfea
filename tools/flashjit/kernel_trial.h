/* A kernel on random batches, held against the double-precision reference. */
#ifndef TOOLS_FLASHJIT_KERNEL_TRIAL_H
#define TOOLS_FLASHJIT_KERNEL_TRIAL_H

#include "tests/matrix/trial.h"

/*
 * Draws batches for a kernel of the trial's context and runs it on them: requests of every kind with lengths of their
 * own, page ids in random order, NaN where nothing may be read. False with trial->why. The spec is canonical, and of
 * attention, append or merge without a snippet.
 */
bool kernel_trial(struct trial *trial, const fi_spec *spec, const char *target);

/* What trial->error may come to for a kernel of this spec, and in which unit it is. */
double kernel_trial_allowed(const fi_spec *spec, const char *target);
const char *kernel_trial_unit(const fi_spec *spec);

#endif
