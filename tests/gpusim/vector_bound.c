/* When a result of the simulator agrees with a recorded one. */
#include "vectors.h"

#include "flashjit.h"
#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float single(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* 0 or infinite: what has no allowance. */
static double unless(bool same) {
  return same ? 0 : (double)INFINITY;
}

/* PTX leaves sign and payload of a NaN open. Where it asks for the canonical one, bounds are of bits. */
static bool same_single(uint32_t a, uint32_t b) {
  return a == b || (isnan(single(a)) && isnan(single(b)));
}

static bool is_nan_double(const uint32_t *words) {
  uint64_t bits = (uint64_t)words[1] << 32 | words[0];
  return (bits & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

static bool same_half(uint32_t a, uint32_t b) {
  bool both_nan = isnan(dtype_decode(FI_F16, &a, 0)) && isnan(dtype_decode(FI_F16, &b, 0));
  return a == b || (both_nan && a >> 16 == b >> 16);
}

static double double_distance(const uint32_t *recorded, const uint32_t *simulated, size_t i) {
  const uint32_t *a = recorded + (i & ~(size_t)1);
  const uint32_t *b = simulated + (i & ~(size_t)1);
  return unless(recorded[i] == simulated[i] || (is_nan_double(a) && is_nan_double(b)));
}

/* Counts floats of one sign; zeros of either sign are the same place. */
static int64_t place(uint32_t bits) {
  int64_t magnitude = bits & 0x7fffffff;
  return bits >> 31 ? -magnitude : magnitude;
}

static double difference(uint32_t recorded, uint32_t simulated) {
  return fabs((double)single(recorded) - (double)single(simulated));
}

/* The larger of the distances of two packed values, relative to the recorded ones. */
static double packed_distance(uint32_t dtype, uint32_t recorded, uint32_t simulated, double limit) {
  double worst = 0;
  for (size_t half = 0; half < 2; half++) {
    double a = dtype_decode(dtype, &recorded, half);
    double b = dtype_decode(dtype, &simulated, half);
    bool same = a == b || (isnan(a) && isnan(b));
    double distance = same ? 0 : fabs(a - b) / (limit * fabs(a) + dtype_spacing(dtype, 0));
    worst = fmax(worst, isnan(distance) ? (double)INFINITY : distance);
  }
  return worst;
}

/* ----------------------------------------------------------------------------------------------- products */

enum { PER_WORD = 2, CHUNK = 4 * PER_WORD };

/* How the operands of mma.sync lie in a warp, see tools/gpusim/exec/mma.c: `depth` products in words of A, B and C. */
struct product {
  uint32_t dtype;
  uint32_t a_words;
  uint32_t b_words;
  uint32_t depth;
};

static struct product product_of(const struct vector_case *vector) {
  struct product product = {.dtype = vector->bound == PRODUCT_F16 ? FI_F16 : FI_BF16};
  product.b_words = (vector_operand_count(vector) - vector->results) / 3;
  product.a_words = 2 * product.b_words;
  product.depth = product.b_words * CHUNK;
  return product;
}

/* The operands of the warp of result i. */
struct warp_inputs {
  const uint64_t *lanes;
  uint32_t operands; /* of a lane */
};

static struct warp_inputs inputs_of(const struct vector_case *vector, const uint64_t *inputs, size_t i) {
  const uint32_t operands = vector_operand_count(vector);
  return (struct warp_inputs){inputs + i / vector->results / VECTOR_LANES * VECTOR_LANES * operands, operands};
}

/* Element k of row `row` of A. */
static double element_of_a(const struct product *product, const struct warp_inputs *warp, uint32_t row, uint32_t k) {
  const uint32_t lane = row % 8 * 4 + k % CHUNK / PER_WORD;
  const uint32_t word = (uint32_t)warp->lanes[lane * warp->operands + row / 8 + 2 * (k / CHUNK)];
  return dtype_decode(product->dtype, &word, k % PER_WORD);
}

/* Element k of column `column` of B. */
static double element_of_b(const struct product *product, const struct warp_inputs *warp, uint32_t column, uint32_t k) {
  const uint32_t lane = column * 4 + k % CHUNK / PER_WORD;
  const uint32_t word = (uint32_t)warp->lanes[lane * warp->operands + product->a_words + k / CHUNK];
  return dtype_decode(product->dtype, &word, k % PER_WORD);
}

/* The sum of the magnitudes of the terms of element (row, column), without that of C. */
static double terms(const struct product *product, const struct warp_inputs *warp, uint32_t row, uint32_t column) {
  double sum = 0;
  for (uint32_t k = 0; k < product->depth; k++)
    sum += fabs(element_of_a(product, warp, row, k) * element_of_b(product, warp, column, k));
  return sum;
}

static double product_distance(const struct vector_case *vector, const uint64_t *inputs, uint32_t recorded,
                               uint32_t simulated, size_t i) {
  const struct product product = product_of(vector);
  const struct warp_inputs warp = inputs_of(vector, inputs, i);
  const uint32_t lane = (uint32_t)(i / vector->results % VECTOR_LANES);
  const uint32_t index = (uint32_t)(i % vector->results);
  const uint32_t c = (uint32_t)warp.lanes[lane * warp.operands + product.a_words + product.b_words + index];
  const uint32_t row = lane / 4 + 8 * (index / 2);
  const uint32_t column = 2 * (lane % 4) + index % 2;
  const double scale = terms(&product, &warp, row, column) + fabs((double)single(c));
  return difference(recorded, simulated) / (vector->limit * scale);
}

double vector_distance(const struct vector_case *vector, const uint64_t *inputs, const uint32_t *recorded,
                       const uint32_t *simulated, size_t i) {
  uint32_t a = recorded[i];
  uint32_t b = simulated[i];
  if (a == b)
    return 0;
  switch (vector->bound) {
  case SAME_BITS:
    return unless(false);
  case SAME_SINGLE:
    return unless(same_single(a, b));
  case SAME_HALF:
    return unless(same_half(a, b));
  case SAME_DOUBLE:
    return double_distance(recorded, simulated, i);
  case RELATIVE_HALF:
    return packed_distance(FI_F16, a, b, vector->limit);
  case RELATIVE_BF16:
    return packed_distance(FI_BF16, a, b, vector->limit);
  default:
    break;
  }
  if (isnan(single(a)) || isnan(single(b)) || isinf(single(a)) || isinf(single(b)))
    return unless(same_single(a, b));
  switch (vector->bound) {
  case ULP_SINGLE:
    return (double)llabs(place(a) - place(b)) / vector->limit;
  case ABSOLUTE_SINGLE:
    return difference(a, b) / vector->limit;
  case LOGARITHM:
    return difference(a, b) / (vector->limit * fmax(1, fabs((double)single(a))));
  default:
    return product_distance(vector, inputs, a, b, i);
  }
}
