/* What edges of attention have in common. */
#include "tests/matrix/edges.h"

#include "tests/dtypes.h"

#include <math.h>

bool edge_rotates(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE;
}

float edge_scale(const fi_spec *spec) {
  return 1 / sqrtf((float)spec->head_dim);
}

bool edge_has_snippet(const fi_spec *spec) {
  return spec->snippet != FI_SNIPPET_NONE;
}

void edge_set_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double value) {
  for (uint32_t d = 0; d < dim; d++)
    dtype_encode(dtype, value, data, (size_t)offset + d);
}

void edge_multiply_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double factor) {
  for (uint32_t d = 0; d < dim; d++)
    dtype_encode(dtype, factor * dtype_decode(dtype, data, (size_t)offset + d), data, (size_t)offset + d);
}

void *edge_q(const struct edge_run *run) {
  return run->batch.buffers[BUFFER_Q].host;
}

uint32_t edge_q_heads(const struct edge_run *run) {
  return run->batch.kv_heads * run->batch.spec.group;
}

void edge_set_k(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const struct reference_rows rows = reference_k_rows(&run->batch.spec);
  const int64_t offset = reference_cache_offset(&run->reference, request, token, head);
  edge_set_row(rows.dtype, run->reference.tensors.k.data, offset, rows.dim, value);
}

void edge_set_wide(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const fi_spec *spec = &run->batch.spec;
  const int64_t offset = reference_v_row_offset(&run->reference, request, token, head);
  edge_set_row(spec->q_dtype, run->reference.tensors.v.data, offset, spec->wide_dims, value);
}

void edge_set_v(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const fi_spec *spec = &run->batch.spec;
  const int64_t offset = reference_v_offset(&run->reference, request, token, head);
  const uint32_t stored = reference_k_rows(spec).dim; /* of V in K; the rest of it is wide dims */
  const bool is_in_k = spec->v_source == FI_V_KEYS && spec->v_dim > stored;
  edge_set_row(spec->v_dtype, reference_values(&run->reference)->data, offset, is_in_k ? stored : spec->v_dim, value);
}
