/* The reference. Slow and obvious on purpose: every line should read like the formula that it stands for. */
#include "tests/reference.h"

#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

/* -------------------------------------------------------------------------------- where things are */

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

static int64_t or_packed(int64_t stride, int64_t packed) {
  return stride != 0 ? stride : packed;
}

/* Elements to row [token][head] of a tensor of packed rows [token][heads][head_dim], unless strides say
 * otherwise. */
static int64_t row_offset(const struct reference *reference, int64_t token_stride, int64_t head_stride, uint32_t heads,
                          uint32_t token, uint32_t head) {
  int64_t head_dim = reference->spec.head_dim;
  return token * or_packed(token_stride, heads * head_dim) + head * or_packed(head_stride, head_dim);
}

int64_t reference_q_offset(const struct reference *reference, uint32_t token, uint32_t head) {
  const fi_tensors *tensors = &reference->tensors;
  uint32_t heads = reference->kv_heads * reference->spec.group;
  return row_offset(reference, tensors->q_token_stride, tensors->q_head_stride, heads, token, head);
}

int64_t reference_o_offset(const struct reference *reference, uint32_t token, uint32_t head) {
  const fi_tensors *tensors = &reference->tensors;
  uint32_t heads = reference->kv_heads * reference->spec.group;
  return row_offset(reference, tensors->o_token_stride, tensors->o_head_stride, heads, token, head);
}

int64_t reference_new_offset(const struct reference *reference, uint32_t token, uint32_t kv_head) {
  const fi_kv *k_new = &reference->tensors.k_new;
  return row_offset(reference, k_new->token_stride, k_new->head_stride, reference->kv_heads, token, kv_head);
}

int64_t reference_cache_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head) {
  const fi_spec *spec = &reference->spec;
  const fi_batch *batch = &reference->batch;
  const fi_kv *k = &reference->tensors.k;
  int64_t head_stride = or_packed(k->head_stride, spec->head_dim);
  int64_t token_stride = or_packed(k->token_stride, (int64_t)reference->kv_heads * spec->head_dim);
  int64_t page_stride = or_packed(k->page_stride, spec->page_size * token_stride);
  bool is_dense = spec->index == FI_INDEX_DENSE;

  if (spec->page_size == 0 && is_dense)
    return request * page_stride + token * token_stride + kv_head * head_stride;
  if (spec->page_size == 0)
    return (batch->kv_indptr[request] + (int64_t)token) * token_stride + kv_head * head_stride;
  int64_t first = is_dense ? request * batch->page_table_stride : batch->kv_indptr[request];
  int64_t entry = first + token / spec->page_size;
  int64_t page = spec->page_ids == FI_IDS_INT64 ? ((const int64_t *)batch->page_table)[entry]
                                                : ((const int32_t *)batch->page_table)[entry];
  return page * page_stride + token % spec->page_size * token_stride + kv_head * head_stride;
}

static double kv_scale(const struct reference *reference, const float *scales, uint32_t kv_head) {
  if (reference->spec.kv_scale == FI_SCALE_NONE)
    return 1;
  return (double)scales[reference->spec.kv_scale == FI_SCALE_HEAD ? kv_head : 0];
}

static double rope_position(const struct reference *reference, uint32_t request, uint32_t i) {
  if (reference->spec.rope_positions == FI_POSITIONS_ARRAY)
    return reference->tensors.positions[reference_query_begin(reference, request) + i];
  return (double)reference_kv_len(reference, request) - reference_query_len(reference, request) + i;
}

static void decode_row(uint32_t dtype, const void *data, int64_t offset, uint32_t size, double scale, double *row) {
  for (uint32_t d = 0; d < size; d++)
    row[d] = dtype_decode(dtype, data, (size_t)offset + d) * scale;
}

/* -------------------------------------------------------------------------------- rope */

/* Radians per position of pair i. llama3: as in the Llama 3.1 release, by the number of turns in the trained
 * context. */
static double rope_frequency(const fi_spec *spec, uint32_t i) {
  double frequency = pow(spec->rope_theta, -2.0 * i / spec->rope_dim);
  double stretched = frequency / (spec->rope_factor / 1000.0);
  if (spec->rope_scaling == FI_SCALING_NONE)
    return frequency;
  if (spec->rope_scaling == FI_SCALING_LINEAR)
    return stretched;
  double turns = spec->rope_context * frequency / (2 * pi);
  double low = spec->rope_low_frequency / 1000.0;
  double high = spec->rope_high_frequency / 1000.0;
  if (turns < low)
    return stretched;
  if (turns >= high)
    return frequency;
  double smooth = (turns - low) / (high - low);
  return (1 - smooth) * stretched + smooth * frequency;
}

void reference_rotate(const fi_spec *spec, double position, double *row) {
  if (spec->rope == FI_ROPE_NONE)
    return;
  uint32_t pairs = spec->rope_dim / 2;
  for (uint32_t i = 0; i < pairs; i++) {
    uint32_t first = spec->rope == FI_ROPE_HALF ? i : 2 * i;
    uint32_t second = spec->rope == FI_ROPE_HALF ? i + pairs : 2 * i + 1;
    double angle = position * rope_frequency(spec, i);
    double a = row[first];
    double b = row[second];
    row[first] = a * cos(angle) - b * sin(angle);
    row[second] = b * cos(angle) + a * sin(angle);
  }
}

/* -------------------------------------------------------------------------------- attention */

bool reference_head_load(const struct reference *reference, uint32_t request, uint32_t kv_head,
                         struct reference_head *loaded) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  uint32_t kv_len = reference_kv_len(reference, request);
  double k_scale = kv_scale(reference, tensors->k.scales, kv_head);
  double v_scale = kv_scale(reference, tensors->v.scales, kv_head);
  loaded->k = calloc((size_t)kv_len * spec->head_dim + 1, sizeof(double));
  loaded->v = calloc((size_t)kv_len * spec->head_dim + 1, sizeof(double));
  loaded->weights = calloc(kv_len + 1, sizeof(double));
  if (!loaded->k || !loaded->v || !loaded->weights) {
    reference_head_free(loaded);
    return false;
  }
  for (uint32_t t = 0; t < kv_len; t++) {
    int64_t offset = reference_cache_offset(reference, request, t, kv_head);
    double *k = loaded->k + (size_t)t * spec->head_dim;
    decode_row(spec->kv_dtype, tensors->k.data, offset, spec->head_dim, k_scale, k);
    decode_row(spec->kv_dtype, tensors->v.data, offset, spec->head_dim, v_scale, loaded->v + (k - loaded->k));
    if (spec->rope_keys == FI_KEYS_UNROTATED)
      reference_rotate(spec, t, k);
  }
  return true;
}

void reference_head_free(struct reference_head *loaded) {
  free(loaded->k);
  free(loaded->v);
  free(loaded->weights);
}

void reference_attend(const struct reference *reference, const struct reference_head *loaded, uint32_t request,
                      uint32_t i, uint32_t head, double *o, double *lse) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  uint32_t token = reference_query_begin(reference, request) + i;
  int64_t kv_len = reference_kv_len(reference, request);
  int64_t last = kv_len - reference_query_len(reference, request) + i; /* that a causal query sees */
  int64_t seen = spec->mask == FI_MASK_NONE ? kv_len : last + 1;
  double scale = tensors->softmax_scale != 0 ? (double)tensors->softmax_scale : 1 / sqrt(spec->head_dim);

  double q[512];
  decode_row(spec->q_dtype, tensors->q, reference_q_offset(reference, token, head), spec->head_dim, scale, q);
  reference_rotate(spec, rope_position(reference, request, i), q);

  double maximum = -INFINITY;
  for (int64_t t = 0; t < seen; t++) {
    double dot = 0;
    for (uint32_t d = 0; d < spec->head_dim; d++)
      dot += q[d] * loaded->k[t * spec->head_dim + d];
    loaded->weights[t] = dot;
    maximum = fmax(maximum, dot);
  }
  double sum = 0;
  for (int64_t t = 0; t < seen; t++)
    sum += loaded->weights[t] = exp(loaded->weights[t] - maximum);
  for (uint32_t d = 0; d < spec->head_dim; d++)
    o[d] = 0;
  for (int64_t t = 0; t < seen; t++)
    for (uint32_t d = 0; d < spec->head_dim; d++)
      o[d] += loaded->weights[t] / sum * loaded->v[t * spec->head_dim + d];
  *lse = seen > 0 ? maximum + log(sum) : -INFINITY;
}

/* -------------------------------------------------------------------------------- append, merge */

void reference_append(const struct reference *reference, uint32_t request, uint32_t i, uint32_t kv_head, double *k,
                      double *v) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  uint32_t token = reference_query_begin(reference, request) + i;
  int64_t offset = reference_new_offset(reference, token, kv_head);
  decode_row(spec->q_dtype, tensors->k_new.data, offset, spec->head_dim,
             1 / kv_scale(reference, tensors->k.scales, kv_head), k);
  decode_row(spec->q_dtype, tensors->v_new.data, offset, spec->head_dim,
             1 / kv_scale(reference, tensors->v.scales, kv_head), v);
  if (spec->rope_keys == FI_KEYS_ROTATED)
    reference_rotate(spec, rope_position(reference, request, i), k);
}

void reference_merge(const struct reference *reference, uint32_t token, uint32_t head, double *o, double *lse) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  size_t rows = (size_t)tensors->tokens * tensors->heads;
  size_t row = (size_t)token * tensors->heads + head;
  double maximum = -INFINITY;
  for (uint32_t p = 0; p < tensors->parts; p++)
    maximum = fmax(maximum, (double)tensors->parts_lse[p * rows + row]);
  double sum = 0;
  for (uint32_t p = 0; p < tensors->parts && maximum > -INFINITY; p++)
    sum += exp((double)tensors->parts_lse[p * rows + row] - maximum);
  *lse = sum > 0 ? maximum + log(sum) : -INFINITY;
  for (uint32_t d = 0; d < spec->head_dim; d++)
    o[d] = 0;
  for (uint32_t p = 0; p < tensors->parts && sum > 0; p++) {
    double weight = exp((double)tensors->parts_lse[p * rows + row] - *lse);
    for (uint32_t d = 0; d < spec->head_dim; d++)
      o[d] += weight * dtype_decode(spec->q_dtype, tensors->parts_o, (p * rows + row) * spec->head_dim + d);
  }
}
