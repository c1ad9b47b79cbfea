/* Making a kernel: from a canonical spec to code that the driver has loaded. */
#ifndef RUNTIME_MAKE_H
#define RUNTIME_MAKE_H

#include "runtime/build.h"
#include "runtime/kernel.h"

/* The canonical spec of the kernel behind fi_plan, when kernels of this spec have a plan. */
bool make_plan_spec(const fi_spec *canonical, fi_spec *plan);

/* The image, from the cache or from the compiler. */
fi_status make_image(struct build *build);

/* Everything between a new kernel and a ready one. Called once at a time for a kernel, see flight.h. */
fi_status make_kernel(fi_kernel *kernel);

#endif
