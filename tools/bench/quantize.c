/* One row after the other: each formula stands in flashjit.h, beside FI_SCALE_TOKEN and "Scales of groups". */
#include "tools/bench/quantize.h"

#include "flashjit.h"
#include "tests/dtypes.h"

#include <math.h>

/* To the nearest of a dtype, of two the even one; what is too large becomes the largest. */
static double rounded(uint32_t dtype, double value) {
  uint64_t room = 0;
  dtype_encode(dtype, value, &room, 0);
  return dtype_decode(dtype, &room, 0);
}

static double largest_magnitude(const double *row, uint32_t count) {
  double largest = 0;
  for (uint32_t d = 0; d < count; d++)
    largest = fmax(largest, fabs(row[d]));
  return largest;
}

static void scale_elements(uint32_t dtype, double scale, double *row, uint32_t count) {
  for (uint32_t d = 0; d < count; d++)
    row[d] = scale > 0 || scale < 0 ? rounded(dtype, row[d] / scale) * scale : 0;
}

/* ------------------------------------------------------------------------------------------------ groups of int4 */

/* To 7 significant bits, half away from 0. */
static double to_seven_bits(double value) {
  int exponent;
  const double mantissa = frexp(fabs(value), &exponent); /* from 0.5 to 1 */
  return copysign(ldexp(floor(mantissa * 128 + 0.5), exponent - 7), value);
}

/* The element of largest magnitude, of two the negative one, becomes -8. */
static double int4_scale(const double *group, uint32_t count) {
  double extreme = 0;
  for (uint32_t d = 0; d < count; d++) {
    if (fabs(group[d]) > fabs(extreme) || (fabs(group[d]) == fabs(extreme) && group[d] < 0))
      extreme = group[d];
  }
  const double scale = to_seven_bits(extreme / -8);
  if (fabs(scale) < 0x1p-14)
    return copysign(0x1p-14, scale);
  return copysign(fmin(fabs(scale), 8128), scale);
}

/* Attention rounds an element times its scale to f16. */
static void quantize_int4(double *group, uint32_t count) {
  const double scale = int4_scale(group, count);
  for (uint32_t d = 0; d < count; d++)
    group[d] = rounded(FI_F16, rounded(FI_I4, group[d] / scale) * scale);
}

static void quantize_nvfp4(double *group, uint32_t count) {
  const double exact = fmin(448, fmax(0x1p-6, largest_magnitude(group, count) / 6));
  scale_elements(FI_NVFP4, rounded(FI_E4M3, exact), group, count);
}

static void quantize_groups(void (*quantize)(double *, uint32_t), double *row, uint32_t dim, uint32_t group) {
  for (uint32_t first = 0; first < dim; first += group)
    quantize(row + first, group);
}

void quantize_row(const struct quantizing *quantizing, double *row, uint32_t dim) {
  switch (quantizing->dtype) {
  case FI_I8:
    scale_elements(FI_I8, largest_magnitude(row, dim) / 127, row, dim);
    return;
  case FI_I4:
    quantize_groups(quantize_int4, row, dim, quantizing->group);
    return;
  case FI_NVFP4:
    quantize_groups(quantize_nvfp4, row, dim, quantizing->group);
    return;
  default:
    scale_elements(quantizing->dtype, quantizing->scale > 0 ? quantizing->scale : 1, row, dim);
  }
}
