/* What an indexer chooses blocks by, as slow and obvious as the rest of the reference. */
#include "tests/reference.h"

#include "tests/dtypes.h"

#include <math.h>

/* The product of Q of a head and K of a token; *size is the sum of its terms' sizes. */
static double product_of(const struct reference *reference, uint32_t token, uint32_t head, int64_t k_offset,
                         double *size) {
  const fi_spec *spec = &reference->spec;
  int64_t q_offset = reference_q_offset(reference, token, head);
  double product = 0;
  *size = 0;
  for (uint32_t d = 0; d < spec->head_dim; d++) {
    double q = dtype_decode(spec->q_dtype, reference->tensors.q, (size_t)(q_offset + d));
    double k = dtype_decode(spec->kv_dtype, reference->tensors.k.data, (size_t)(k_offset + d));
    product += q * k;
    *size += fabs(q * k);
  }
  return product;
}

/* The score of KV token t for a list of query token i of a request. */
static struct score score_of(const struct reference *reference, uint32_t request, uint32_t i, uint32_t list,
                             uint32_t t) {
  const fi_spec *spec = &reference->spec;
  uint32_t token = reference_query_begin(reference, request) + i;
  uint32_t kv_head = spec->scores == FI_SCORES_HEADS ? list / spec->group : list;
  int64_t k_offset = reference_cache_offset(reference, request, t, kv_head);
  struct reference_scales scales = reference_k_scales(reference, request, t, kv_head);
  scales.host = 1; /* one for all changes no order */
  double scale = reference_scale(&scales, 0);
  double size;
  if (spec->scores == FI_SCORES_HEADS) {
    double product = product_of(reference, token, list, k_offset, &size);
    return (struct score){scale * product, scale * size};
  }
  struct score sum = {0, 0};
  int64_t heads = (int64_t)reference->kv_heads * spec->group;
  int64_t stride = reference->tensors.weight_stride ? reference->tensors.weight_stride : heads;
  for (uint32_t h = 0; h < spec->group; h++) {
    double weight = (double)reference->tensors.weights[token * stride + kv_head * spec->group + h];
    double product = product_of(reference, token, kv_head * spec->group + h, k_offset, &size);
    sum.value += scale * weight * fmax(0, product);
    sum.size += scale * fabs(weight) * size;
  }
  return sum;
}

struct score reference_score(const struct reference *reference, uint32_t request, uint32_t i, uint32_t list,
                             int64_t block, int64_t end) {
  int64_t select = reference->spec.select;
  struct score best = {-INFINITY, 0};
  for (int64_t t = block * select; t < (block + 1) * select && t < end; t++) {
    struct score score = score_of(reference, request, i, list, (uint32_t)t);
    best.value = score.value > best.value ? score.value : best.value; /* NaN is not */
    best.size = score.size > best.size ? score.size : best.size;
  }
  return best;
}
