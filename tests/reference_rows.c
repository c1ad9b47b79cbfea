/* What rows of K and V are worth, as they are stored and as append is given them. */
#include "tests/reference.h"

#include "tests/dtypes.h"

#include <string.h>

static void decode_row(uint32_t dtype, const void *data, int64_t offset, uint32_t size,
                       const struct reference_scales *scales, double *row) {
  for (uint32_t d = 0; d < size; d++)
    row[d] = dtype_decode(dtype, data, (size_t)offset + d) * (scales ? reference_scale(scales, d) : 1);
}

void reference_stored(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head, double *k,
                      double *v) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  struct reference_rows k_rows = reference_k_rows(spec);
  struct reference_scales k_scales = reference_k_scales(reference, request, token, kv_head);
  struct reference_scales v_scales = reference_v_scales(reference, request, token, kv_head);
  int64_t k_offset = reference_cache_offset(reference, request, token, kv_head);
  int64_t v_offset = reference_v_offset(reference, request, token, kv_head);
  int64_t wide_offset = reference_v_row_offset(reference, request, token, kv_head);
  if (reference_scale(&k_scales, 0) < 0 && (spec->kv_scale == FI_SCALE_TENSOR || spec->kv_scale == FI_SCALE_HEAD))
    k_scales.host = 0; /* it would turn the softmax around */
  decode_row(k_rows.dtype, tensors->k.data, k_offset, k_rows.dim, &k_scales, k);
  decode_row(spec->q_dtype, tensors->v.data, wide_offset, spec->wide_dims, NULL, k + k_rows.dim);
  if (spec->wide_dims > 0)
    memcpy(v, k, spec->v_dim * sizeof *v);
  else
    decode_row(spec->v_dtype, reference_values(reference)->data, v_offset, spec->v_dim, &v_scales, v);
}

void reference_new(const struct reference *reference, uint32_t token, uint32_t kv_head, double *k, double *v) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  uint32_t dim = reference_k_rows(spec).dim;
  int64_t v_offset = reference_v_new_offset(reference, token, kv_head);
  decode_row(spec->q_dtype, tensors->k_new.data, reference_new_offset(reference, token, kv_head), dim, NULL, k);
  decode_row(spec->q_dtype, tensors->v_new.data, v_offset, spec->wide_dims, NULL, k + dim);
  if (spec->v_source == FI_V_OWN)
    decode_row(spec->q_dtype, tensors->v_new.data, v_offset, spec->v_dim, NULL, v);
}
