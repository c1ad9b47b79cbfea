/* The lists of blocks of a launch: what is checked of them, and what kernels are told. */
#ifndef RUNTIME_LISTS_H
#define RUNTIME_LISTS_H

#include "flashjit.h"
#include "flashjit_args.h"

/* FI_ERROR_ARGUMENT for lists that a kernel with spec.select cannot read; the workspace has their bounds. */
fi_status lists_check(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace);

void lists_fill(const fi_tensors *tensors, const fi_workspace *workspace, struct fi_attention_args *args);

#endif
