/* The tensor maps of a launch: made on the host from pointers and strides, and part of the kernel's argument. */
#ifndef RUNTIME_MAPS_H
#define RUNTIME_MAPS_H

#include "flashjit_args.h"
#include "runtime/kernel.h"
#include "runtime/tensors.h"

/* Fills the maps of Q, K and V of an argument whose tensors are filled in. Strides are resolved. */
fi_status maps_fill(const fi_kernel *kernel, const struct strides *strides, uint32_t heads, uint32_t kv_heads,
                    struct fi_attention_maps_args *args);

#endif
