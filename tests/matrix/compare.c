/* Comparisons, and what is said of the first wrong element. */
#include "tests/matrix/compare.h"

#include "tests/dtypes.h"
#include "tests/measure.h"
#include "tools/common/mirror.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Of single precision, relative to the largest element of a row: two products and a sum with a sine and a
 * cosine. */
static const double float_error = 0x1p-20;

/* Of the elements that are finite. */
static double row_rms(const double *row, uint32_t size) {
  double sum = 0;
  for (uint32_t d = 0; d < size; d++)
    sum += isfinite(row[d]) ? row[d] * row[d] : 0;
  return sqrt(sum / size);
}

/* Whether a number is what is expected and not finite: NaN, or the same infinity. */
static bool is_special(double expected, double got) {
  return isnan(expected) ? isnan(got) : got == expected;
}

static bool compare_lse(const struct comparison *comparison, struct trial *trial, const char *row, double expected,
                        const float *got) {
  const double tolerance =
      comparison->lse_tolerance > 0 ? comparison->lse_tolerance : tolerance_of(comparison->dtype)->lse;
  const double allowed = tolerance * fmax(1, fabs(expected));
  const float wanted = (float)expected;                                /* infinite beyond the range of a float */
  const bool may_overflow = fabs(expected) > (double)FLT_MAX * log(2); /* its base-2 logarithm does */
  if (!got)
    return true;
  if (may_overflow && (double)*got == copysign(INFINITY, expected))
    return true;
  if (isfinite(wanted) ? fabs((double)*got - expected) <= allowed : is_special((double)wanted, (double)*got))
    return true;
  return trial_fail(trial, "LSE of %s is %g, expected %g", row, (double)*got, expected);
}

bool compare_row(struct comparison *comparison, struct trial *trial, const fi_spec *spec, const char *row,
                 const double *o, double lse, const void *data, size_t offset, const float *got_lse) {
  const double rms = row_rms(o, spec->v_dim);
  const double tolerance = tolerance_of(comparison->dtype)->element;
  const double least = measure_floor(spec->o_dtype);
  trial->rows++;
  for (uint32_t d = 0; d < spec->v_dim; d++) {
    const double got = dtype_decode(spec->o_dtype, data, offset + d);
    const double difference = fabs(got - o[d]);
    if (isfinite(o[d]) ? !(difference <= least + tolerance * fmax(rms, fabs(o[d]))) : !is_special(o[d], got))
      return trial_fail(trial, "O of %s, dim %u, is %g, expected %g", row, d, got, o[d]);
    const double counted = fmax(0, difference - least);
    comparison->difference += isfinite(o[d]) ? counted * counted : 0;
    comparison->reference += isfinite(o[d]) ? o[d] * o[d] : 0;
  }
  return compare_lse(comparison, trial, row, lse, got_lse);
}

bool compare_norm(const struct comparison *comparison, struct trial *trial) {
  const double allowed = tolerance_of(comparison->dtype)->norm;
  const double error = comparison->difference == 0 ? 0 : sqrt(comparison->difference / comparison->reference);
  trial->error = fmax(trial->error, error);
  return error <= allowed ||
         trial_fail(trial, "the norm of the difference is %g of the reference's, allowed are %g", error, allowed);
}

/* How far a number is from what a value rounds to that differs from the expected one by noise: at most 1 half step. */
static double half_steps_off(uint32_t dtype, double expected, double noise, double got) {
  double kept = 0;
  dtype_encode(dtype, expected, &kept, 0);
  kept = dtype_decode(dtype, &kept, 0);
  if (isnan(kept) || isinf(kept) || isnan(expected))
    return (isnan(kept) ? isnan(got) : got == kept) ? 0 : INFINITY;
  const double limit = dtype_largest(dtype);
  const double least = dtype == FI_I4 ? -8 : -limit;
  const double step = dtype_spacing(dtype, fmax(fabs(got), fabs(kept)));
  const double steps = fabs(got - fmax(least, fmin(limit, expected))) / (step / 2 + noise);
  return isnan(steps) ? INFINITY : steps;
}

static bool is_rounded(uint32_t dtype, double expected, double noise, double got) {
  return half_steps_off(dtype, expected, noise, got) <= 1;
}

bool compare_stored(struct trial *trial, const struct stored_row *stored, const char *row, const double *expected) {
  const double norm = row_rms(expected, stored->dim) * sqrt(stored->dim);
  trial->rows++;
  for (uint32_t d = 0; d < stored->dim; d++) {
    const double got = dtype_decode(stored->dtype, stored->data, stored->offset + d);
    const double noise = float_error * (stored->is_rotated ? norm : fabs(expected[d]));
    const double off = half_steps_off(stored->dtype, expected[d], noise, got);
    trial->error = fmax(trial->error, off);
    if (off > 1)
      return trial_fail(trial, "%s of %s, dim %u, is %g, expected %g", stored->tensor, row, d, got, expected[d]);
  }
  return true;
}

/* The least and the largest of a row, as finite numbers, of int8 those of q_dtype; NaN is none. */
struct extent {
  double least;
  double most;
  double noise; /* what single precision adds to them */
};

static struct extent extent_of(const fi_spec *spec, const struct stored_row *stored, const double *row) {
  const double largest = stored->dtype == FI_I8 ? dtype_largest(spec->q_dtype) : (double)FLT_MAX;
  struct extent extent = {0};
  for (uint32_t d = 0; d < stored->dim; d++) {
    const double value = isnan(row[d]) ? 0 : fmax(-largest, fmin(largest, row[d]));
    extent.least = fmin(extent.least, value);
    extent.most = fmax(extent.most, value);
  }
  const double norm = row_rms(row, stored->dim) * sqrt(stored->dim);
  extent.noise = float_error * (stored->is_rotated ? norm : fmax(-extent.least, extent.most));
  return extent;
}

/* Seven significant bits, with the sign against that of the extreme element. */
static bool is_int4_scale(const struct extent *extent, double scale, double host) {
  const double exact = fmax(0x1p-14, fmin(8128, fmax(-extent->least, extent->most) / 8 / host));
  const double spacing = ldexp(1, ilogb(exact) - 6);
  const double noise = extent->noise / 8 / host + 0x1p-20 * exact;
  const bool is_small = exact == 0x1p-14;
  const bool has_either = fabs(extent->least + extent->most) <= 2 * extent->noise;
  const bool is_negative = extent->most > -extent->least && !is_small;
  return fabs(fabs(scale) - exact) <= spacing / 2 + noise && (has_either || is_small || signbit(scale) == is_negative);
}

/* The largest magnitude / 448, or the least power of two that is not less; at least 2^-126. */
static bool is_grouped_scale(const fi_spec *spec, const struct extent *extent, double scale) {
  const double exact = fmax(-extent->least, extent->most) / 448;
  const double noise = extent->noise / 448 + float_error * exact;
  if (spec->kv_scale == FI_SCALE_GROUP)
    return fabs(scale - fmax(0x1p-126, exact)) <= noise;
  const bool is_power = scale == ldexp(1, ilogb(scale));
  return is_power && scale >= exact - noise && (scale == 0x1p-126 || scale / 2 < exact + noise);
}

bool compare_scale(struct trial *trial, const fi_spec *spec, const struct stored_row *stored, const char *row,
                   const double *expected, double scale, double host) {
  const struct extent extent = extent_of(spec, stored, expected);
  const double most = fmax(-extent.least, extent.most);
  bool is_right;
  if (stored->dtype == FI_I4)
    is_right = is_int4_scale(&extent, scale / host, host);
  else if (stored->dtype == FI_NVFP4)
    is_right = is_rounded(FI_E4M3, fmax(0x1p-6, fmin(448, most / 6 / host)), extent.noise / 6 / host, scale / host);
  else if (spec->wide_dims > 0)
    is_right = is_grouped_scale(spec, &extent, scale);
  else
    is_right = is_rounded(spec->q_dtype, most, extent.noise, scale * dtype_largest(stored->dtype));
  return is_right || trial_fail(trial, "the scale of %s of %s is %g, where elements are %g to %g", stored->tensor, row,
                                scale, extent.least, extent.most);
}

bool compare_finite(struct trial *trial, const fi_spec *spec, const char *row, const void *data, size_t offset) {
  for (uint32_t d = 0; d < spec->v_dim; d++) {
    const double got = dtype_decode(spec->o_dtype, data, offset + d);
    if (!isfinite(got))
      return trial_fail(trial, "O of %s, dim %u, is %g", row, d, got);
  }
  return true;
}

bool compare_poison(struct trial *trial, const char *tensor, const void *data, size_t bytes) {
  const unsigned char *at = data;
  for (size_t i = 0; i < bytes; i++) {
    if (at[i] != POISON)
      return trial_fail(trial, "byte %zu of %s was written, which is no row of the batch", i, tensor);
  }
  return true;
}
