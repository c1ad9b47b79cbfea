/* Rows that overlap where it is never meant: in O and in the cache. */
#ifndef RUNTIME_OVERLAPS_H
#define RUNTIME_OVERLAPS_H

#include "runtime/tensors.h"

/* After all strides are resolved. */
fi_status overlaps_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                         const struct strides *strides);

#endif
