/* Making a kernel: from a canonical spec to code that the driver has loaded. */
#ifndef RUNTIME_MAKE_H
#define RUNTIME_MAKE_H

#include "runtime/build.h"
#include "runtime/kernel.h"

/* What must hold before anything is rendered or compiled: the mode, a driver, a current CUDA context whose device runs
 * kernels of the target, and a tile. */
fi_status make_check(fi_ctx *ctx, const fi_spec *canonical);

/* The image, from the cache or from the compiler, and stored. Loads nothing. */
fi_status make_image(struct build *build);

/* Everything between a new kernel and a ready one. Called once at a time for a kernel, see flight.h. */
fi_status make_kernel(fi_kernel *kernel);

#endif
