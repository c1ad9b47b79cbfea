/* Checks and arguments of what a score becomes. */
#include "runtime/scores.h"

#include "generator/error.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

static const float log2_e = 1.44269504088896340736f;

static const float most_softcap = 10000;

static const int32_t most_distance = 1 << 30;

float scores_unit(uint32_t dtype) {
  return dtype == FI_NVFP4 ? 128 : 1;
}

static float scale_log2(const fi_spec *spec, const fi_tensors *tensors) {
  const float given = tensors->softmax_scale > 0 ? tensors->softmax_scale : 1 / sqrtf((float)spec->head_dim);
  return log2_e * given * scores_unit(spec->kv_dtype) * (tensors->k.scale == 0 ? 1 : tensors->k.scale);
}

static fi_status check_scale(const fi_spec *spec, const fi_tensors *tensors) {
  const float scale = tensors->softmax_scale;
  if (!(scale >= 0 && isfinite(scale)))
    return error_set(FI_ERROR_ARGUMENT,
                     "tensors.softmax_scale is %g; it must be 0 (1 / sqrt(head_dim)) or positive, and finite",
                     (double)scale);
  if (!isfinite(scale_log2(spec, tensors)))
    return error_set(FI_ERROR_ARGUMENT,
                     "tensors.softmax_scale is %g and tensors.k.scale %g; their product is too large", (double)scale,
                     (double)tensors->k.scale);
  return FI_OK;
}

static fi_status check_softcap(const fi_spec *spec, const fi_tensors *tensors) {
  if (!spec->softcap || (tensors->softcap > 0 && tensors->softcap <= most_softcap))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.softcap is %g; with spec.softcap it must be positive, at most %g",
                   (double)tensors->softcap, (double)most_softcap);
}

/* The elements that a row of bias must have. */
struct row_length {
  const char *name;
  int64_t elements;
};

static fi_status check_stride(const char *name, int64_t stride, bool may_be_zero, const struct row_length *row) {
  if (stride >= row->elements || (may_be_zero && stride == 0))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld; it must be %sat least %s, %lld", name, (long long)stride,
                   may_be_zero ? "0 (all heads have one) or " : "", row->name, (long long)row->elements);
}

static fi_status check_bias(const fi_spec *spec, const fi_tensors *tensors, uint32_t max_kv_len) {
  if (spec->bias < FI_BIAS_DISTANCE)
    return FI_OK;
  const bool is_dense = spec->bias == FI_BIAS_DENSE;
  if (!is_dense && (tensors->bias_extent == 0 || tensors->bias_extent > INT32_MAX))
    return error_set(FI_ERROR_ARGUMENT, "tensors.bias_extent is %u; it must be 1 to %d", tensors->bias_extent,
                     INT32_MAX);
  if (spec->bias == FI_BIAS_DISTANCE && (tensors->bias_first < -most_distance || tensors->bias_first > most_distance))
    return error_set(FI_ERROR_ARGUMENT, "tensors.bias_first is %d; it must be -%d to %d", tensors->bias_first,
                     most_distance, most_distance);
  const struct row_length row = {is_dense ? "max_kv_len" : "bias_extent", is_dense ? max_kv_len : tensors->bias_extent};
  fi_status status = FI_OK;
  if (spec->bias != FI_BIAS_DISTANCE)
    status = check_stride("bias_token_stride", tensors->bias_token_stride, false, &row);
  return status ? status : check_stride("bias_head_stride", tensors->bias_head_stride, true, &row);
}

fi_status scores_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t max_kv_len) {
  fi_status status = check_scale(spec, tensors);
  if (!status)
    status = check_softcap(spec, tensors);
  return status ? status : check_bias(spec, tensors, max_kv_len);
}

void scores_fill(const fi_spec *spec, const fi_tensors *tensors, struct fi_attention_args *args) {
  args->scale_log2 = scale_log2(spec, tensors);
  if (spec->softcap)
    args->scale_log2 = fminf(args->scale_log2 * (2 / tensors->softcap), FLT_MAX);
  args->cap_log2 = tensors->softcap * log2_e;
  args->sinks = tensors->sinks;
  args->slopes = tensors->slopes;
  args->bias = tensors->bias;
  args->bias_token_stride = tensors->bias_token_stride;
  args->bias_head_stride = tensors->bias_head_stride;
  args->bias_extent = (int)tensors->bias_extent;
  args->bias_first = tensors->bias_first;
}
