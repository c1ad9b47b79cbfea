/* Where the reference finds things: lengths of requests, and offsets of rows. */
#include "tests/reference.h"

#include "tests/dtypes.h"

uint32_t reference_query_begin(const struct reference *reference, uint32_t request) {
  const int32_t *q_indptr = reference->batch.q_indptr;
  return q_indptr ? (uint32_t)q_indptr[request] : request;
}

uint32_t reference_query_len(const struct reference *reference, uint32_t request) {
  const int32_t *q_indptr = reference->batch.q_indptr;
  return q_indptr ? (uint32_t)(q_indptr[request + 1] - q_indptr[request]) : 1;
}

uint32_t reference_kv_len(const struct reference *reference, uint32_t request) {
  const fi_batch *batch = &reference->batch;
  if (batch->kv_len)
    return (uint32_t)batch->kv_len[request];
  uint32_t entries = (uint32_t)(batch->kv_indptr[request + 1] - batch->kv_indptr[request]);
  if (!batch->last_page_len || entries == 0)
    return entries;
  return (entries - 1) * reference->spec.page_size + (uint32_t)batch->last_page_len[request];
}

struct reference_rows reference_k_rows(const fi_spec *spec) {
  return (struct reference_rows){spec->kv_dtype, spec->head_dim - spec->wide_dims};
}

struct reference_rows reference_v_rows(const fi_spec *spec) {
  if (spec->v_source == FI_V_OWN)
    return (struct reference_rows){spec->v_dtype, spec->v_dim};
  return (struct reference_rows){spec->q_dtype, spec->wide_dims};
}

static int64_t or_packed(int64_t stride, int64_t packed) {
  return stride != 0 ? stride : packed;
}

/* Elements to row [token][head] of a tensor of packed rows [token][heads][dim], unless strides say otherwise. */
static int64_t row_offset(int64_t token_stride, int64_t head_stride, int64_t heads, int64_t dim, int64_t token,
                          int64_t head) {
  return token * or_packed(token_stride, heads * dim) + head * or_packed(head_stride, dim);
}

int64_t reference_q_offset(const struct reference *reference, uint32_t token, uint32_t head) {
  const fi_tensors *tensors = &reference->tensors;
  uint32_t heads = reference->kv_heads * reference->spec.group;
  return row_offset(tensors->q_token_stride, tensors->q_head_stride, heads, reference->spec.head_dim, token, head);
}

int64_t reference_o_offset(const struct reference *reference, uint32_t token, uint32_t head) {
  const fi_tensors *tensors = &reference->tensors;
  uint32_t heads = reference->kv_heads * reference->spec.group;
  return row_offset(tensors->o_token_stride, tensors->o_head_stride, heads, reference->spec.v_dim, token, head);
}

int64_t reference_new_offset(const struct reference *reference, uint32_t token, uint32_t kv_head) {
  const fi_kv *new = &reference->tensors.k_new;
  return row_offset(new->token_stride, new->head_stride, reference->kv_heads, reference_k_rows(&reference->spec).dim,
                    token, kv_head);
}

int64_t reference_v_new_offset(const struct reference *reference, uint32_t token, uint32_t kv_head) {
  const fi_kv *new = &reference->tensors.v_new;
  return row_offset(new->token_stride, new->head_stride, reference->kv_heads, reference_v_rows(&reference->spec).dim,
                    token, kv_head);
}

int64_t reference_page(const struct reference *reference, uint32_t request, uint32_t token) {
  const fi_spec *spec = &reference->spec;
  const fi_batch *batch = &reference->batch;
  int64_t first = spec->index == FI_INDEX_DENSE ? request * batch->page_table_stride : batch->kv_indptr[request];
  int64_t entry = first + token / spec->page_size;
  return spec->page_ids == FI_IDS_INT64 ? ((const int64_t *)batch->page_table)[entry]
                                        : ((const int32_t *)batch->page_table)[entry];
}

static int64_t cache_offset(const struct reference *reference, const fi_kv *kv, uint32_t dim, uint32_t request,
                            uint32_t token, uint32_t kv_head) {
  const fi_spec *spec = &reference->spec;
  const fi_batch *batch = &reference->batch;
  int64_t row = row_offset(kv->token_stride, kv->head_stride, reference->kv_heads, dim, 0, kv_head);
  int64_t token_stride = or_packed(kv->token_stride, (int64_t)reference->kv_heads * dim);
  int64_t page_stride = or_packed(kv->page_stride, spec->page_size * token_stride);
  bool is_dense = spec->index == FI_INDEX_DENSE;

  if (spec->page_size == 0 && is_dense)
    return request * page_stride + token * token_stride + row;
  if (spec->page_size == 0)
    return (batch->kv_indptr[request] + (int64_t)token) * token_stride + row;
  int64_t page = reference_page(reference, request, token);
  return page * page_stride + token % spec->page_size * token_stride + row;
}

int64_t reference_cache_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head) {
  uint32_t dim = reference_k_rows(&reference->spec).dim;
  return cache_offset(reference, &reference->tensors.k, dim, request, token, kv_head);
}

const fi_kv *reference_values(const struct reference *reference) {
  return reference->spec.v_source == FI_V_KEYS ? &reference->tensors.k : &reference->tensors.v;
}

int64_t reference_v_row_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head) {
  uint32_t dim = reference_v_rows(&reference->spec).dim;
  return cache_offset(reference, &reference->tensors.v, dim, request, token, kv_head);
}

int64_t reference_v_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head) {
  if (reference->spec.v_source == FI_V_KEYS)
    return reference_cache_offset(reference, request, token, kv_head);
  return reference_v_row_offset(reference, request, token, kv_head);
}

/* -------------------------------------------------------------------------------- scales */

uint32_t reference_scale_dtype(uint32_t dtype) {
  return dtype == FI_I4 ? FI_F16 : dtype == FI_NVFP4 ? FI_E4M3 : FI_F32;
}

static int64_t scale_offset(const struct reference *reference, const fi_kv *kv, uint32_t count, uint32_t request,
                            uint32_t token, uint32_t kv_head) {
  const fi_kv scales = {.page_stride = kv->scale_page_stride,
                        .token_stride = kv->scale_token_stride,
                        .head_stride = kv->scale_head_stride};
  return cache_offset(reference, &scales, count, request, token, kv_head);
}

static bool has_grouped_k(const fi_spec *spec) {
  return spec->kv_scale == FI_SCALE_GROUP || spec->kv_scale == FI_SCALE_E8M0;
}

static struct reference_scale_rows scale_rows(const fi_spec *spec, uint32_t dtype, uint32_t dim) {
  uint32_t scale = reference_scale_dtype(dtype);
  if (scale != FI_F32)
    return (struct reference_scale_rows){scale, dim / spec->scale_group, dim / spec->scale_group, spec->scale_group};
  uint32_t count = spec->kv_scale == FI_SCALE_TOKEN;
  return (struct reference_scale_rows){FI_F32, count, count, UINT32_MAX};
}

struct reference_scale_rows reference_k_scale_rows(const fi_spec *spec) {
  if (!has_grouped_k(spec))
    return scale_rows(spec, spec->kv_dtype, spec->head_dim);
  uint32_t count = (spec->head_dim - spec->wide_dims) / spec->scale_group;
  if (spec->kv_scale == FI_SCALE_GROUP)
    return (struct reference_scale_rows){FI_F32, count, count, spec->scale_group};
  return (struct reference_scale_rows){DTYPE_E8M0, count, (count + 3) / 4 * 4, spec->scale_group};
}

struct reference_scale_rows reference_v_scale_rows(const fi_spec *spec) {
  return scale_rows(spec, spec->v_dtype, spec->v_dim);
}

static struct reference_scales scales_of(const struct reference *reference, const fi_kv *kv,
                                         const struct reference_scale_rows *rows, uint32_t request, uint32_t token,
                                         uint32_t kv_head) {
  const fi_spec *spec = &reference->spec;
  struct reference_scales scales = {
      .dtype = rows->dtype, .data = kv->scales, .group = rows->group, .host = kv->scale != 0 ? (double)kv->scale : 1};
  if (rows->count > 0)
    scales.first = scale_offset(reference, kv, rows->packed, request, token, kv_head);
  else if (spec->kv_scale == FI_SCALE_HEAD)
    scales.first = kv_head;
  else if (spec->kv_scale == FI_SCALE_NONE || has_grouped_k(spec))
    scales.data = NULL;
  return scales;
}

struct reference_scales reference_k_scales(const struct reference *reference, uint32_t request, uint32_t token,
                                           uint32_t kv_head) {
  struct reference_scale_rows rows = reference_k_scale_rows(&reference->spec);
  return scales_of(reference, &reference->tensors.k, &rows, request, token, kv_head);
}

struct reference_scales reference_v_scales(const struct reference *reference, uint32_t request, uint32_t token,
                                           uint32_t kv_head) {
  struct reference_scale_rows rows = reference_v_scale_rows(&reference->spec);
  return scales_of(reference, reference_values(reference), &rows, request, token, kv_head);
}

double reference_scale(const struct reference_scales *scales, uint32_t d) {
  const double scale =
      scales->data ? dtype_decode(scales->dtype, scales->data, (size_t)scales->first + d / scales->group) : 1;
  const double finite = scale > 1e290 ? 1e290 : scale < -1e290 ? -1e290 : scale; /* NaN stays */
  return scales->host * finite;
}

int64_t reference_key_place(const struct reference *reference, uint32_t request, uint32_t token) {
  const fi_kv positions = {.page_stride = reference->tensors.key_page_stride, .token_stride = 1, .head_stride = 1};
  return cache_offset(reference, &positions, 1, request, token, 0);
}
