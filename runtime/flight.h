/* Single flight: one thread makes a kernel while others wait, and what can never be made is tried once. */
#ifndef RUNTIME_FLIGHT_H
#define RUNTIME_FLIGHT_H

#include "flashjit.h"

#include <stdbool.h>

/*
 * The kernel of a canonical spec, entered into the table if it is not there, after waiting for another thread that is
 * making it. *mine: the caller is to make it, and to call flight_settle. Else it is ready, or it can never be made and
 * its failure is told again.
 */
fi_status flight_claim(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel, bool *mine);

/* Ends what a claim began, and wakes those who wait. What failed is counted by the caller, who may have another way. */
void flight_settle(fi_kernel *kernel, fi_status status);

/* Gives a claim back: the kernel lacks others that it belongs with, and may be claimed again. */
void flight_release(fi_kernel *kernel);

#endif
