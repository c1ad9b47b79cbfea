/* Single flight: one thread makes a kernel while others wait, and what can never be made is tried once. */
#ifndef RUNTIME_FLIGHT_H
#define RUNTIME_FLIGHT_H

#include "flashjit.h"

/* The kernel of a canonical spec, made if it is not there. A failure that is for ever is told again to each
 * caller. */
fi_status flight_get(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel);

#endif
