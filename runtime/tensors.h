/* The checks of fi_tensors. */
#ifndef RUNTIME_TENSORS_H
#define RUNTIME_TENSORS_H

#include "flashjit.h"

/* The strides of a launch, in elements, with the packed ones filled in. */
enum {
  STRIDE_Q_TOKEN,
  STRIDE_Q_HEAD,
  STRIDE_O_TOKEN,
  STRIDE_O_HEAD,
  STRIDE_CACHE_PAGE,
  STRIDE_CACHE_TOKEN,
  STRIDE_CACHE_HEAD,
  STRIDE_NEW_TOKEN,
  STRIDE_NEW_HEAD,
  STRIDE_COUNT
};

struct strides {
  int64_t of[STRIDE_COUNT];
};

/*
 * Checks what the op reads of the tensors of a canonical spec: pointers, alignment, strides. Heads are those
 * of Q and O for attention, of O for merge.
 */
fi_status tensors_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                        struct strides *strides);

#endif
