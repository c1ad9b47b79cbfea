/* One table describes the formats; one decoder and one encoder read it. */
#include "tests/dtypes.h"

#include "flashjit.h"

#include <math.h>
#include <string.h>

struct format {
  const char *name;
  size_t bits;
  int exponent_bits; /* 0: whole numbers, in two's complement */
  int mantissa_bits;
  double largest;
  int has_infinity; /* the exponent of all ones holds infinity and NaN; else only the code of all ones is NaN */
  int saturates;
  int has_nan;
};

static const struct format formats[] = {
    [FI_F16] = {"f16", 16, 5, 10, 65504.0, 1, 0, 1},
    [FI_BF16] = {"bf16", 16, 8, 7, 0x1.fep127, 1, 0, 1},
    [FI_E4M3] = {"e4m3", 8, 4, 3, 448.0, 0, 1, 1},
    [FI_E5M2] = {"e5m2", 8, 5, 2, 57344.0, 1, 1, 1},
    [FI_F32] = {"f32", 32, 8, 23, 0x1.fffffep127, 1, 0, 1},
    [FI_I8] = {"int8", 8, 0, 7, 127.0, 0, 1, 0},
    [FI_I4] = {"int4", 4, 0, 3, 7.0, 0, 1, 0},
    [FI_NVFP4] = {"nvfp4", 4, 2, 1, 6.0, 0, 1, 0},
    [DTYPE_E8M0] = {"e8m0", 8, 8, 0, 0x1p127, 0, 1, 1},
};

static int format_bias(const struct format *format) {
  return (1 << (format->exponent_bits - 1)) - 1;
}

static uint32_t format_nan(const struct format *format) {
  return (1u << (format->exponent_bits + format->mantissa_bits)) - 1;
}

static uint32_t format_infinity(const struct format *format) {
  return ((1u << format->exponent_bits) - 1) << format->mantissa_bits;
}

size_t dtype_bits(uint32_t dtype) {
  return formats[dtype].bits;
}

size_t dtype_bytes(uint32_t dtype) {
  return formats[dtype].bits / 8;
}

/* Of two in a byte the first is in the lower half. */
static uint32_t read_code(const struct format *format, const void *data, size_t index) {
  uint32_t code = 0;
  memcpy(&code, (const char *)data + index * format->bits / 8, (format->bits + 7) / 8);
  return format->bits == 4 ? code >> index % 2 * 4 & 15 : code;
}

static void write_code(const struct format *format, uint32_t code, void *data, size_t index) {
  if (format->bits == 4)
    code = (uint32_t)(((unsigned char *)data)[index / 2] & (15 << (1 - index % 2) * 4)) | code << index % 2 * 4;
  memcpy((char *)data + index * format->bits / 8, &code, (format->bits + 7) / 8);
}

const char *dtype_name(uint32_t dtype) {
  return formats[dtype].name;
}

uint32_t dtype_find(const char *name) {
  for (uint32_t dtype = FI_F16; dtype < sizeof formats / sizeof *formats; dtype++)
    if (dtype != FI_F32 && dtype != DTYPE_E8M0 && strcmp(formats[dtype].name, name) == 0)
      return dtype;
  return FI_DTYPE_DEFAULT;
}

double dtype_largest(uint32_t dtype) {
  return formats[dtype].largest;
}

double dtype_spacing(uint32_t dtype, double value) {
  const struct format *format = &formats[dtype];
  if (format->exponent_bits == 0)
    return 1;
  int lowest = 1 - format_bias(format);
  int exponent = value == 0 ? lowest : ilogb(fabs(value));
  return ldexp(1.0, (exponent > lowest ? exponent : lowest) - format->mantissa_bits);
}

static double decode_whole(const struct format *format, uint32_t code) {
  const uint32_t sign = 1u << format->mantissa_bits;
  return (double)(code & (sign - 1)) - (double)(code & sign);
}

double dtype_decode(uint32_t dtype, const void *data, size_t index) {
  const struct format *format = &formats[dtype];
  const uint32_t code = read_code(format, data, index);
  if (format->exponent_bits == 0)
    return decode_whole(format, code);
  uint32_t magnitude = code & format_nan(format);
  uint32_t mantissa = magnitude & ((1u << format->mantissa_bits) - 1);
  int exponent = (int)(magnitude >> format->mantissa_bits);
  int is_top = exponent == (1 << format->exponent_bits) - 1;

  double value;
  if ((format->has_nan && magnitude == format_nan(format)) || (is_top && format->has_infinity && mantissa != 0))
    value = NAN;
  else if (is_top && format->has_infinity)
    value = INFINITY;
  else if (exponent == 0 && format->mantissa_bits > 0)
    value = ldexp(mantissa, 1 - format_bias(format) - format->mantissa_bits);
  else
    value = ldexp(mantissa + (1u << format->mantissa_bits), exponent - format_bias(format) - format->mantissa_bits);
  return magnitude == code ? value : -value;
}

/* The code of a positive finite value. rint rounds to the nearest even in the default rounding mode. */
static uint32_t encode_magnitude(uint32_t dtype, double value) {
  const struct format *format = &formats[dtype];
  double spacing = dtype_spacing(dtype, value);
  double rounded = rint(value / spacing) * spacing;
  if (rounded > format->largest) {
    if (!format->saturates)
      return format_infinity(format);
    rounded = format->largest;
  }
  spacing = dtype_spacing(dtype, rounded);
  uint32_t steps = (uint32_t)(rounded / spacing); /* below 1 << mantissa_bits only for subnormal values */
  int exponent = ilogb(spacing) + format->mantissa_bits + format_bias(format);
  if (steps < 1u << format->mantissa_bits)
    return steps;
  return ((uint32_t)exponent << format->mantissa_bits) + steps - (1u << format->mantissa_bits);
}

/* NaN is 0. */
static uint32_t encode_whole(const struct format *format, double value) {
  const double kept =
      isnan(value) ? 0 : fmax(format->bits == 4 ? -8 : -format->largest, fmin(format->largest, rint(value)));
  return (uint32_t)(int32_t)kept & ((2u << format->mantissa_bits) - 1);
}

void dtype_encode(uint32_t dtype, double value, void *data, size_t index) {
  const struct format *format = &formats[dtype];
  uint32_t code;
  if (format->exponent_bits == 0)
    code = encode_whole(format, value);
  else if (isnan(value))
    code = format->has_nan ? format_nan(format) : 0;
  else if (isinf(value) && !format->saturates)
    code = format_infinity(format);
  else
    code = encode_magnitude(dtype, fmin(fabs(value), 2 * format->largest));
  if (signbit(value) && format->exponent_bits > 0)
    code |= 1u << (format->exponent_bits + format->mantissa_bits);
  write_code(format, code, data, index);
}
