/* The reference. Slow and obvious on purpose: every line should read like the formula that it stands for. */
#include "tests/reference.h"

#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

static double or_one(float scale) {
  return scale != 0 ? (double)scale : 1;
}

/* The natural logarithm of the base of the log-sum-exp. */
static double lse_unit(const fi_spec *spec) {
  return spec->lse == FI_LSE_BASE2 ? log(2) : 1;
}

/* Three positions of a token, equal where it has one. */
static struct position same_positions(int64_t position) {
  return (struct position){{position, position, position}};
}

static struct position listed_position(const fi_spec *spec, const int32_t *positions, int64_t stride, int64_t at) {
  if (spec->rope_axes == 1)
    return same_positions(positions[at]);
  return (struct position){{positions[at], positions[at + stride], positions[at + 2 * stride]}};
}

static struct position query_position(const struct reference *reference, uint32_t request, uint32_t i) {
  const fi_tensors *tensors = &reference->tensors;
  uint32_t token = reference_query_begin(reference, request) + i;
  if (reference->spec.rope_positions == FI_POSITIONS_ARRAY)
    return listed_position(&reference->spec, tensors->positions, tensors->position_stride, token);
  return same_positions((int64_t)reference_kv_len(reference, request) - reference_query_len(reference, request) + i);
}

static struct position key_position(const struct reference *reference, uint32_t request, uint32_t t) {
  const fi_tensors *tensors = &reference->tensors;
  if (reference->spec.rope_positions != FI_POSITIONS_ARRAY || !tensors->key_positions)
    return same_positions(t);
  return listed_position(&reference->spec, tensors->key_positions, tensors->key_position_stride,
                         reference_key_place(reference, request, t));
}

static void decode_row(uint32_t dtype, const void *data, int64_t offset, uint32_t size, double scale, double *row) {
  for (uint32_t d = 0; d < size; d++)
    row[d] = dtype_decode(dtype, data, (size_t)offset + d) * scale;
}

/* -------------------------------------------------------------------------------- rope */

/* The angle of pair i in radians. Positions times turns wrap as angles do. */
static double rope_angle(const struct reference *reference, uint32_t i, const struct position *position) {
  uint64_t entry = reference->tensors.rope_table[i];
  int64_t turning = position->along[reference->spec.rope_axes == 3 ? entry % 4 : 0];
  return 2 * pi * (double)((uint64_t)turning * entry) * 0x1p-64;
}

void reference_rotate(const struct reference *reference, struct position position, double *row) {
  const fi_spec *spec = &reference->spec;
  if (spec->rope == FI_ROPE_NONE)
    return;
  double magnitude = or_one(reference->tensors.rope_magnitude);
  uint32_t pairs = spec->rope_dim / 2;
  for (uint32_t i = 0; i < pairs; i++) {
    uint32_t first = spec->rope_first + (spec->rope == FI_ROPE_HALF ? i : 2 * i);
    uint32_t second = first + (spec->rope == FI_ROPE_HALF ? pairs : 1);
    double angle = rope_angle(reference, i, &position);
    double a = magnitude * row[first];
    double b = magnitude * row[second];
    row[first] = a * cos(angle) - b * sin(angle);
    row[second] = b * cos(angle) + a * sin(angle);
  }
}

/* -------------------------------------------------------------------------------- attention */

bool reference_head_load(const struct reference *reference, uint32_t request, uint32_t kv_head,
                         struct reference_head *loaded) {
  const fi_spec *spec = &reference->spec;
  struct reference second = reference_second(reference);
  uint32_t kv_len = reference_kv_len(reference, request);
  uint32_t second_len = spec->second_page > 0 ? reference_kv_len(&second, request) : 0;
  size_t all = (size_t)kv_len + second_len;
  loaded->k = calloc(all * spec->head_dim + 1, sizeof(double));
  loaded->v = calloc(all * spec->v_dim + 1, sizeof(double));
  loaded->weights = calloc(all + 1, sizeof(double));
  loaded->times = calloc(all + 1, sizeof(uint32_t));
  if (!loaded->k || !loaded->v || !loaded->weights || !loaded->times) {
    reference_head_free(loaded);
    return false;
  }
  reference_count_read(reference, request, kv_head, loaded->times);
  for (size_t t = 0; t < all; t++) {
    double *k = loaded->k + t * spec->head_dim;
    bool is_second = t >= kv_len;
    uint32_t token = (uint32_t)(is_second ? t - kv_len : t);
    if (loaded->times[t] == 0)
      continue;
    reference_stored(is_second ? &second : reference, request, token, kv_head, k, loaded->v + t * spec->v_dim);
    if (spec->rope_keys == FI_KEYS_UNROTATED)
      reference_rotate(reference, key_position(reference, request, token), k);
  }
  return true;
}

void reference_head_free(struct reference_head *loaded) {
  free(loaded->k);
  free(loaded->v);
  free(loaded->weights);
  free(loaded->times);
}

/* A number of a bias; 0 where the index is none of its row. */
static double bias_at(uint32_t dtype, const void *data, int64_t row, int64_t index, int64_t extent) {
  return index >= 0 && index < extent ? dtype_decode(dtype, data, (size_t)(row + index)) : 0;
}

/* What is added to the score of query token `token`, whose place is `place`, and KV token t. */
static double bias_of(const struct reference *reference, uint32_t token, uint32_t head, int64_t place, int64_t t) {
  const fi_tensors *tensors = &reference->tensors;
  int64_t head_row = head * tensors->bias_head_stride;
  int64_t row = token * tensors->bias_token_stride + head_row;
  switch (reference->spec.bias) {
  case FI_BIAS_SLOPES:
    return (double)tensors->slopes[head] * (double)(t - place);
  case FI_BIAS_DISTANCE:
    return bias_at(FI_F32, tensors->bias, head_row, place - t - tensors->bias_first, tensors->bias_extent);
  case FI_BIAS_TOKEN_DISTANCE:
    return bias_at(reference->spec.q_dtype, tensors->bias, row, place - t, tensors->bias_extent);
  case FI_BIAS_DENSE:
    return dtype_decode(FI_F16, tensors->bias, (size_t)(row + t));
  default:
    return 0;
  }
}

/* The logit of a scaled score. What a bias of -infinity meets is not seen, even if it is NaN. */
static double logit_of(const struct reference *reference, double score, double bias) {
  double cap = (double)reference->tensors.softcap;
  double capped = reference->spec.softcap ? cap * tanh(score / cap) : score;
  return bias == -INFINITY ? bias : capped + bias;
}

void reference_attend(const struct reference *reference, const struct reference_head *loaded, uint32_t request,
                      uint32_t i, uint32_t head, double *o, double *lse) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  uint32_t token = reference_query_begin(reference, request) + i;
  int64_t kv_len = reference_kv_len(reference, request);
  int64_t place = kv_len - reference_query_len(reference, request) + i;
  int64_t first, seen;
  reference_seen(spec, &reference->batch, request, kv_len, place, &first, &seen);
  double scale = tensors->softmax_scale != 0 ? (double)tensors->softmax_scale : 1 / sqrt(spec->head_dim);

  double q[576];
  decode_row(spec->q_dtype, tensors->q, reference_q_offset(reference, token, head), spec->head_dim, scale, q);
  reference_rotate(reference, query_position(reference, request, i), q);
  int64_t end = reference_count_times(reference, request, token, head / spec->group, seen, loaded->times);

  double sink = spec->sinks ? (double)tensors->sinks[head] : -INFINITY;
  double maximum = sink;
  bool is_empty = true;
  bool is_plain = spec->snippet == FI_SNIPPET_WEIGHT; /* a sum of V by weights as they are */
  for (int64_t t = first; t < end; t++) {
    double dot = 0;
    loaded->weights[t] = -INFINITY;
    if (loaded->times[t] == 0 || !reference_has_bit(reference, request, i, t))
      continue;
    for (uint32_t d = 0; d < spec->head_dim; d++)
      dot += q[d] * loaded->k[t * spec->head_dim + d];
    double logit = logit_of(reference, dot, bias_of(reference, token, head, place, t));
    if (reference->snippet && logit != -INFINITY)
      logit = reference->snippet(logit, place, t, head, request, tensors->snippet_params);
    loaded->weights[t] = logit;
    maximum = fmax(maximum, loaded->weights[t]); /* of numbers: NaN stays in the sum */
    is_empty = is_empty && loaded->weights[t] == -INFINITY;
  }
  double sum = is_plain ? 1 : maximum > -INFINITY ? exp(sink - maximum) : 0;
  for (int64_t t = first; t < end; t++) {
    bool is_hidden = loaded->weights[t] == -INFINITY;
    double weight = is_hidden ? 0 : is_plain ? loaded->weights[t] : exp(loaded->weights[t] - maximum);
    loaded->weights[t] = weight * loaded->times[t];
    sum += is_plain ? 0 : loaded->weights[t];
  }
  for (uint32_t d = 0; d < spec->v_dim; d++)
    o[d] = 0;
  for (int64_t t = first; t < end && !is_empty; t++)
    for (uint32_t d = 0; d < spec->v_dim && loaded->weights[t] != 0; d++)
      o[d] += or_one(tensors->o_scale) * loaded->weights[t] / sum * loaded->v[t * spec->v_dim + d];
  *lse = is_empty ? sink / lse_unit(spec) : (maximum + log(sum)) / lse_unit(spec);
}

/* -------------------------------------------------------------------------------- append, merge */

void reference_append(const struct reference *reference, uint32_t request, uint32_t i, uint32_t kv_head, double *k,
                      double *v) {
  const fi_spec *spec = &reference->spec;
  uint32_t token = reference_query_begin(reference, request) + i;
  uint32_t t = reference_kv_len(reference, request) - reference_query_len(reference, request) + i;
  struct reference_scales k_scales = reference_k_scales(reference, request, t, kv_head);
  struct reference_scales v_scales = reference_v_scales(reference, request, t, kv_head);
  reference_new(reference, token, kv_head, k, v);
  if (spec->rope_keys == FI_KEYS_ROTATED)
    reference_rotate(reference, query_position(reference, request, i), k);
  for (uint32_t d = 0; d < spec->head_dim - spec->wide_dims; d++)
    k[d] /= reference_scale(&k_scales, d);
  for (uint32_t d = 0; d < spec->v_dim && spec->v_source == FI_V_OWN; d++)
    v[d] /= reference_scale(&v_scales, d);
}

void reference_merge(const struct reference *reference, uint32_t token, uint32_t head, double *o, double *lse) {
  const fi_spec *spec = &reference->spec;
  const fi_tensors *tensors = &reference->tensors;
  size_t rows = (size_t)tensors->tokens * tensors->heads;
  size_t row = (size_t)token * tensors->heads + head;
  double unit = lse_unit(spec);
  double maximum = -INFINITY;
  for (uint32_t p = 0; p < tensors->parts; p++)
    maximum = fmax(maximum, unit * (double)tensors->parts_lse[p * rows + row]);
  double sum = 0;
  for (uint32_t p = 0; p < tensors->parts; p++)
    if (tensors->parts_lse[p * rows + row] != -INFINITY)
      sum += exp(unit * (double)tensors->parts_lse[p * rows + row] - maximum);
  double natural = maximum + log(sum);
  *lse = natural / unit;
  for (uint32_t d = 0; d < spec->v_dim; d++)
    o[d] = 0;
  for (uint32_t p = 0; p < tensors->parts && natural != -INFINITY; p++) {
    double weight = exp(unit * (double)tensors->parts_lse[p * rows + row] - natural);
    for (uint32_t d = 0; d < spec->v_dim; d++)
      o[d] += weight * dtype_decode(spec->o_dtype, tensors->parts_o, (p * rows + row) * spec->v_dim + d);
  }
}
