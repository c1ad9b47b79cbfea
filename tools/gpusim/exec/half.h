/* Narrow floating-point formats: IEEE half, bfloat16 and the two FP8 formats. Branch-free where loops over
 * lanes use them, so that the compiler can vectorise. */
#ifndef GPUSIM_HALF_H
#define GPUSIM_HALF_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t sim_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float sim_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* The exponent is rebased by a multiplication with 2^112, which also normalises subnormals. */
static inline float sim_half_to_float(uint32_t half) {
  uint32_t magnitude = half & 0x7fff;
  uint32_t scaled = sim_bits(sim_float(magnitude << 13) * 0x1p112f);
  scaled |= magnitude >= 0x7c00 ? 0x7f800000u : 0;
  return sim_float(scaled | (half & 0x8000) << 16);
}

/* Subnormals become zero. */
static inline float sim_flushed_half_to_float(uint32_t half) {
  float value = sim_half_to_float(half);
  return fabsf(value) < 0x1p-14f ? copysignf(0.0f, value) : value;
}

static inline float sim_bf16_to_float(uint32_t bits) {
  return sim_float(bits << 16);
}

/* Nearest even. Subnormals are rounded by adding 0.5, whose last place is that of half subnormals. */
static inline uint32_t sim_float_to_half(float value) {
  uint32_t bits = sim_bits(value);
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  uint32_t small = sim_bits(sim_float(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t large = magnitude > 0x7f800000 ? 0x7fff : 0x7c00;
  uint32_t result = magnitude < 0x38800000 ? small : normal;
  result = magnitude >= 0x47800000 ? large : result;
  uint32_t sign = magnitude > 0x7f800000 ? 0 : bits >> 16 & 0x8000;
  return result | sign;
}

static inline uint32_t sim_float_to_bf16(float value) {
  uint32_t bits = sim_bits(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : rounded;
}

/* Toward zero. */
static inline uint32_t sim_float_to_half_rz(float value) {
  uint32_t half = sim_float_to_half(value);
  bool too_large = fabsf(sim_half_to_float(half)) > fabsf(value);
  return too_large ? half - 1 : half;
}

static inline uint32_t sim_float_to_bf16_rz(float value) {
  return value != value ? 0x7fff : sim_bits(value) >> 16;
}

/* A double as a float rounded to odd, so that a second rounding to a narrower format is right. */
static inline float sim_round_to_odd(double value) {
  float nearest = (float)value;
  uint32_t bits = sim_bits(nearest);
  if ((double)nearest == value || value != value)
    return nearest;
  if (fabs((double)nearest) > fabs(value))
    bits--;
  return sim_float(bits | 1);
}

/* .relu of a value to be rounded to f16 or bf16: NaN stays NaN. */
static inline float sim_relu(float value) {
  return value > 0 || value != value ? value : 0;
}

struct sim_fp8_format {
  int mantissa_bits;
  int bias;
  uint32_t max_code; /* largest finite */
  uint32_t infinity; /* its code; above every code if there is none */
};

static const struct sim_fp8_format sim_e4m3 = {3, 7, 0x7e, 0xff};
static const struct sim_fp8_format sim_e5m2 = {2, 15, 0x7b, 0x7c};

/* Like half precision: shift the fields into place and rebase the exponent by a multiplication. */
static inline float sim_fp8_to_float(uint32_t code, const struct sim_fp8_format *format) {
  uint32_t magnitude = code & 0x7f;
  float scale = sim_float((uint32_t)(254 - format->bias) << 23);
  uint32_t bits = sim_bits(sim_float(magnitude << (23 - format->mantissa_bits)) * scale);
  bits = magnitude > format->max_code ? 0x7fffffffu : bits;
  bits = magnitude == format->infinity ? 0x7f800000u : bits;
  return sim_float(bits | (code & 0x80) << 24);
}

/* Nearest even, finite values saturate; NaN has the code 0x7f. */
static inline uint32_t sim_float_to_fp8(float value, const struct sim_fp8_format *format) {
  if (value != value)
    return 0x7f;
  uint32_t sign = signbit(value) ? 0x80 : 0;
  double magnitude = fabs((double)value);
  if (magnitude >= (double)sim_fp8_to_float(format->max_code, format))
    return sign | format->max_code;
  int exponent = 1 - format->bias;
  if (magnitude > 0 && ilogb(magnitude) > exponent)
    exponent = ilogb(magnitude);
  uint32_t units = (uint32_t)nearbyint(ldexp(magnitude, format->mantissa_bits - exponent));
  uint32_t hidden = 1u << format->mantissa_bits;
  if (units < hidden)
    return sign | units;
  uint32_t code = ((uint32_t)(exponent + format->bias) << format->mantissa_bits) + units - hidden;
  return sign | (code > format->max_code ? format->max_code : code);
}

#endif
