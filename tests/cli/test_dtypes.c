/* The number formats against their definitions: every code, and rounding between codes. */
#include "tests/dtypes.h"

#include "flashjit.h"

#include <criterion/criterion.h>
#include <math.h>

static const uint32_t dtypes[] = {FI_F16, FI_BF16, FI_E4M3, FI_E5M2};

enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static double decode(uint32_t dtype, uint32_t code) {
  return dtype_decode(dtype, &code, 0);
}

static uint32_t encode(uint32_t dtype, double value) {
  uint32_t code = 0;
  dtype_encode(dtype, value, &code, 0);
  return code;
}

Test(dtypes, known_codes) {
  static const struct {
    uint32_t dtype;
    uint32_t code;
    double value;
  } known[] = {
      {FI_F16, 0x3c00, 1.0},        {FI_F16, 0x7bff, 65504.0},     {FI_F16, 0x0001, 0x1p-24},
      {FI_F16, 0xc000, -2.0},       {FI_F16, 0x7c00, INFINITY},    {FI_F16, 0x3555, 0.333251953125},
      {FI_BF16, 0x3f80, 1.0},       {FI_BF16, 0x7f7f, 0x1.fep127}, {FI_BF16, 0x0001, 0x1p-133},
      {FI_BF16, 0xff80, -INFINITY}, {FI_BF16, 0x4049, 3.140625},   {FI_E4M3, 0x38, 1.0},
      {FI_E4M3, 0x7e, 448.0},       {FI_E4M3, 0x01, 0x1p-9},       {FI_E4M3, 0x08, 0x1p-6},
      {FI_E4M3, 0xf8, -256.0},      {FI_E5M2, 0x3c, 1.0},          {FI_E5M2, 0x7b, 57344.0},
      {FI_E5M2, 0x01, 0x1p-16},     {FI_E5M2, 0xfc, -INFINITY},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    cr_expect_eq(decode(known[i].dtype, known[i].code), known[i].value, "%s 0x%x is %g", dtype_name(known[i].dtype),
                 known[i].code, decode(known[i].dtype, known[i].code));
  cr_expect(isnan(decode(FI_E4M3, 0x7f)) && isnan(decode(FI_E4M3, 0xff)));
  cr_expect(isnan(decode(FI_E5M2, 0x7d)) && isnan(decode(FI_F16, 0x7e00)) && isnan(decode(FI_BF16, 0xffff)));
}

Test(dtypes, every_code_survives_a_round_trip) {
  for (int d = 0; d < DTYPES; d++) {
    const uint32_t codes = 1u << (8 * dtype_bytes(dtypes[d]));
    for (uint32_t code = 0; code < codes; code++) {
      double value = decode(dtypes[d], code);
      if (isfinite(value))
        cr_assert_eq(encode(dtypes[d], value), code, "%s 0x%x", dtype_name(dtypes[d]), code);
      else if (isnan(value))
        cr_assert(isnan(decode(dtypes[d], encode(dtypes[d], value))));
    }
  }
}

/* Between two neighbours: below the middle down, above it up, in the middle to the even code. */
Test(dtypes, rounds_to_the_nearest_even) {
  for (int d = 0; d < DTYPES; d++) {
    const uint32_t codes = 1u << (8 * dtype_bytes(dtypes[d]) - 1);
    for (uint32_t code = 0; code + 1 < codes && isfinite(decode(dtypes[d], code + 1)); code++) {
      double low = decode(dtypes[d], code);
      double high = decode(dtypes[d], code + 1);
      double middle = (low + high) / 2;
      cr_assert_eq(encode(dtypes[d], middle), code % 2 == 0 ? code : code + 1, "%s 0x%x", dtype_name(dtypes[d]), code);
      cr_assert_eq(encode(dtypes[d], nextafter(middle, 0)), code);
      cr_assert_eq(encode(dtypes[d], -nextafter(middle, INFINITY)), (code + 1) | codes);
      cr_assert_eq(dtype_spacing(dtypes[d], low), high - low, "%s 0x%x", dtype_name(dtypes[d]), code);
    }
  }
}

Test(dtypes, beyond_the_largest) {
  cr_expect_eq(encode(FI_F16, 65519.9), 0x7bff);
  cr_expect_eq(encode(FI_F16, 65520), 0x7c00);
  cr_expect_eq(encode(FI_F16, -1e300), 0xfc00);
  cr_expect_eq(encode(FI_BF16, INFINITY), 0x7f80);
  cr_expect_eq(encode(FI_E4M3, 1e9), 0x7e);
  cr_expect_eq(encode(FI_E4M3, -INFINITY), 0xfe);
  cr_expect_eq(encode(FI_E5M2, 61440), 0x7b);
  cr_expect_eq(encode(FI_E5M2, INFINITY), 0x7b);
  for (int d = 0; d < DTYPES; d++)
    cr_expect_eq(decode(dtypes[d], encode(dtypes[d], dtype_largest(dtypes[d]))), dtype_largest(dtypes[d]));
}

Test(dtypes, whole_numbers) {
  for (int value = -127; value <= 127; value++) {
    cr_expect_eq(encode(FI_I8, value), (uint32_t)value & 0xff);
    cr_expect_eq(decode(FI_I8, (uint32_t)value & 0xff), value);
    cr_expect_eq(decode(FI_I8, encode(FI_I8, value + 0.5)), fmin(127, rint(value + 0.5)));
  }
  cr_expect_eq(decode(FI_I8, 0x80), -128);
  cr_expect_eq(encode(FI_I8, -1000), 0x81);
  cr_expect_eq(encode(FI_I8, INFINITY), 0x7f);
  cr_expect_eq(encode(FI_I8, NAN), 0);
  cr_expect_eq(dtype_spacing(FI_I8, 100), 1);
  cr_expect_eq(dtype_find("int8"), FI_I8);
}

Test(dtypes, names) {
  for (int d = 0; d < DTYPES; d++)
    cr_expect_eq(dtype_find(dtype_name(dtypes[d])), dtypes[d]);
  cr_expect_eq(dtype_find("f32"), FI_DTYPE_DEFAULT);
}
