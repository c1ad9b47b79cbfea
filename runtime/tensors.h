/* The checks of fi_tensors. */
#ifndef RUNTIME_TENSORS_H
#define RUNTIME_TENSORS_H

#include "flashjit.h"

#include <stdbool.h>

/* The strides of a launch, in elements, with the packed ones filled in. */
enum {
  STRIDE_Q_TOKEN,
  STRIDE_Q_HEAD,
  STRIDE_O_TOKEN,
  STRIDE_O_HEAD,
  STRIDE_K_PAGE,
  STRIDE_K_TOKEN,
  STRIDE_K_HEAD,
  STRIDE_V_PAGE,
  STRIDE_V_TOKEN,
  STRIDE_V_HEAD,
  STRIDE_K_NEW_PAGE, /* none: rows to append have no pages */
  STRIDE_K_NEW_TOKEN,
  STRIDE_K_NEW_HEAD,
  STRIDE_V_NEW_PAGE,
  STRIDE_V_NEW_TOKEN,
  STRIDE_V_NEW_HEAD,
  STRIDE_K_SCALE_PAGE,
  STRIDE_K_SCALE_TOKEN,
  STRIDE_K_SCALE_HEAD,
  STRIDE_V_SCALE_PAGE,
  STRIDE_V_SCALE_TOKEN,
  STRIDE_V_SCALE_HEAD,
  STRIDE_COUNT
};

struct strides {
  int64_t of[STRIDE_COUNT];
  const char *prefix; /* what the names of the fields begin with: "", or "second_" */
};

/* The field of a stride; whether the op reads it; the bytes of a step, and of the rows that it steps over. */
const char *stride_name(int stride);
bool stride_is_used(int stride, const fi_spec *spec);
int64_t stride_bytes(int stride, const fi_spec *spec, const struct strides *strides);
int64_t stride_row_bytes(int stride, const fi_spec *spec);

/* The cache of V: that of K where V is in it. */
const fi_kv *tensors_values(const fi_spec *spec, const fi_tensors *tensors);

/*
 * Checks what the op reads of the tensors of a canonical spec: pointers, alignment, strides. Heads are those
 * of Q and O for attention, of O for merge.
 */
fi_status tensors_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                        struct strides *strides);

/* A second KV as the first one of a spec and tensors that have no other; then what is checked of it. */
void tensors_second(const fi_spec *spec, const fi_tensors *tensors, fi_spec *of_second, fi_tensors *second);
fi_status tensors_check_second(const fi_spec *of_second, const fi_tensors *second, uint32_t kv_heads,
                               struct strides *strides);

#endif
