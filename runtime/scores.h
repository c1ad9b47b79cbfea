/* What fi_tensors says of scores: scales, cap, sinks and biases. */
#ifndef RUNTIME_SCORES_H
#define RUNTIME_SCORES_H

#include "flashjit.h"
#include "flashjit_args.h"

/* Whether what the spec reads is in its range, for KV of at most max_kv_len tokens. */
fi_status scores_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t max_kv_len);

/* What an element of K or V is worth beside that as which kernels take it. */
float scores_unit(uint32_t dtype);

/* Fills the arguments of scores, from tensors that are in range. */
void scores_fill(const fi_spec *spec, const fi_tensors *tensors, struct fi_attention_args *args);

#endif
