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

/*
 * From a new kernel to a ready one, in two steps, each called once at a time for a kernel, see flight.h. What is loaded
 * stays so when the rest fails: the next attempt goes on from there. make_ready wants the kernels that it belongs with.
 */
fi_status make_load(fi_kernel *kernel);
fi_status make_ready(fi_kernel *kernel);

#endif
