/* The lists of blocks that a launch reads or makes: what is checked of them, and what kernels are told. */
#ifndef RUNTIME_LISTS_H
#define RUNTIME_LISTS_H

#include "flashjit.h"
#include "flashjit_args.h"

/* FI_ERROR_ARGUMENT for lists that a kernel with spec.select cannot read; the workspace has their bounds. */
fi_status lists_check(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace);

/* The same for an indexer, which makes them. */
fi_status lists_check_made(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace);

void lists_fill_made(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace,
                     struct fi_indexer_args *args);

void lists_fill(const fi_tensors *tensors, const fi_workspace *workspace, struct fi_attention_args *args);

#endif
