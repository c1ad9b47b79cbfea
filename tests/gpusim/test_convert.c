/* Conversions between number formats, over every code of the narrow ones. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One instruction over an array of words: d = code(a) for every thread. */
static void convert_words(const char *code, const uint32_t *in, uint32_t *out, unsigned count) {
  char text[2048];
  snprintf(text, sizeof text,
           ".version 8.5\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
           ".reg .b32 %%a, %%d, %%t, %%n; .reg .b16 %%h, %%g; .reg .b64 %%in, %%out, %%at;\n"
           "ld.param.u64 %%in, [in]; ld.param.u64 %%out, [out];\n"
           "mov.u32 %%t, %%ctaid.x; mov.u32 %%n, %%ntid.x; mov.u32 %%a, %%tid.x; mad.lo.s32 %%t, %%t, %%n, %%a;\n"
           "mul.wide.u32 %%at, %%t, 4; add.s64 %%in, %%in, %%at; add.s64 %%out, %%out, %%at;\n"
           "ld.global.u32 %%a, [%%in]; cvt.u16.u32 %%h, %%a;\n%s\nst.global.u32 [%%out], %%d;\nret;\n}\n",
           code);
  CUlibrary library;
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s", code);
  CUdeviceptr from = sim_upload(in, count * sizeof *in);
  CUdeviceptr to = sim_buffer(count * sizeof *out);
  void *parameters[] = {&from, &to};
  cr_assert_eq(sim_launch(sim_kernel(library, "k"), count / 256, 256, 0, parameters), CUDA_SUCCESS);
  sim_download(out, to, count * sizeof *out);
}

/* A byte of FP8 by its definition: sign, exponent, mantissa. */
static double fp8_value(unsigned code, int mantissa_bits, int bias) {
  int exponent = (int)(code & 127) >> mantissa_bits;
  int mantissa = (int)code & ((1 << mantissa_bits) - 1);
  double magnitude = exponent ? ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits)
                              : ldexp(mantissa, 1 - bias - mantissa_bits);
  if (mantissa_bits == 3 && (code & 127) == 127)
    magnitude = NAN;
  if (mantissa_bits == 2 && exponent == 31)
    magnitude = mantissa ? NAN : INFINITY;
  return code & 128 ? -magnitude : magnitude;
}

static void expect_fp8_decoding(const char *code, int mantissa_bits, int bias) {
  uint32_t in[256];
  uint32_t out[256];
  for (unsigned i = 0; i < 256; i++)
    in[i] = i | (255 - i) << 8;
  convert_words(code, in, out, 256);
  for (unsigned i = 0; i < 256; i++)
    for (unsigned half = 0; half < 2; half++) {
      double expected = fp8_value(half ? 255 - i : i, mantissa_bits, bias);
      double got = half_value((uint16_t)(out[i] >> (16 * half)));
      cr_expect(got == expected || (isnan(got) && isnan(expected)), "%s code %u: %g, expected %g", code, i, got,
                expected);
    }
}

Test(gpusim_convert, every_fp8_code_to_half) {
  expect_fp8_decoding("cvt.rn.f16x2.e4m3x2 %d, %h;", 3, 7);
  expect_fp8_decoding("cvt.rn.f16x2.e5m2x2 %d, %h;", 2, 15);
}

/* The nearest code by search; ties go to the even code. */
static unsigned nearest_fp8(double value, int mantissa_bits, int bias) {
  unsigned best = 0;
  unsigned last = mantissa_bits == 3 ? 0x7e : 0x7b;
  for (unsigned code = 0; code <= last; code++) {
    double error = fabs(fabs(value) - fp8_value(code, mantissa_bits, bias));
    double best_error = fabs(fabs(value) - fp8_value(best, mantissa_bits, bias));
    if (error < best_error || (error == best_error && code % 2 == 0))
      best = code;
  }
  return best | (signbit(value) ? 128 : 0);
}

static void expect_fp8_encoding(const char *code, int mantissa_bits, int bias) {
  enum { COUNT = 4096 };
  static uint32_t in[COUNT];
  static uint32_t out[COUNT];
  for (unsigned i = 0; i < COUNT; i++) {
    float value =
        (float)(fp8_value(i / 8 % 128, mantissa_bits, bias) * (1 + (int)(i % 8) / 32.0)) * (i & 1024 ? -1 : 1);
    if (!isfinite(value))
      value = mantissa_bits == 3 ? 448.0f : 57344.0f;
    memcpy(&in[i], &value, sizeof value);
  }
  convert_words(code, in, out, COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    float value;
    memcpy(&value, &in[i], sizeof value);
    cr_expect_eq(out[i], nearest_fp8((double)value, mantissa_bits, bias), "%s of %g: %#x, expected %#x", code,
                 (double)value, out[i], nearest_fp8((double)value, mantissa_bits, bias));
  }
}

Test(gpusim_convert, single_to_fp8) {
  expect_fp8_encoding("mov.b32 %n, 0; cvt.rn.satfinite.e4m3x2.f32 %g, %n, %a; cvt.u32.u16 %d, %g;", 3, 7);
  expect_fp8_encoding("mov.b32 %n, 0; cvt.rn.satfinite.e5m2x2.f32 %g, %n, %a; cvt.u32.u16 %d, %g;", 2, 15);
}

enum { HALVES = 65536 };
static uint32_t all_in[HALVES];
static uint32_t all_out[HALVES];

Test(gpusim_convert, every_half_to_single_and_back) {
  for (uint32_t i = 0; i < HALVES; i++)
    all_in[i] = i;
  convert_words("cvt.f32.f16 %d, %h;", all_in, all_out, HALVES);
  for (uint32_t i = 0; i < HALVES; i++) {
    float got;
    memcpy(&got, &all_out[i], sizeof got);
    double expected = half_value((uint16_t)i);
    cr_expect((double)got == expected || (isnan(got) && isnan(expected)), "half %#x: %g", i, (double)got);
  }
  convert_words("cvt.f32.f16 %n, %h; cvt.rn.f16.f32 %g, %n; cvt.u32.u16 %d, %g;", all_in, all_out, HALVES);
  for (uint32_t i = 0; i < HALVES; i++)
    cr_expect(all_out[i] == i || isnan(half_value((uint16_t)i)), "half %#x comes back as %#x", i, all_out[i]);
}

/* Half way between two halves goes to the even one, and a little to either side to the nearer one. */
static void expect_half_rounding(int direction) {
  for (uint32_t i = 0; i < HALVES; i++) {
    uint16_t low = (uint16_t)(i & 0xfbff) & 0x7fff;
    uint16_t sign = i & 0x8000;
    double next = low == 0x7bff ? 65536.0 : half_value((uint16_t)(low + 1));
    float middle = (float)((half_value(low) + next) / 2);
    middle = direction ? nextafterf(middle, direction > 0 ? INFINITY : 0.0f) : middle;
    memcpy(&all_in[i], &middle, sizeof middle);
    all_in[i] |= (uint32_t)sign << 16;
  }
  convert_words("cvt.rn.f16.f32 %g, %a; cvt.u32.u16 %d, %g;", all_in, all_out, HALVES);
  for (uint32_t i = 0; i < HALVES; i++) {
    uint32_t low = i & 0x7bff;
    uint32_t sign = i & 0x8000;
    uint32_t expected = direction > 0 || (direction == 0 && low % 2) ? low + 1 : low;
    cr_expect_eq(all_out[i], expected | sign, "input %#x: %#x, expected %#x", all_in[i], all_out[i], expected | sign);
  }
}

Test(gpusim_convert, half_rounding) {
  expect_half_rounding(0);
  expect_half_rounding(1);
  expect_half_rounding(-1);
}

/* Bfloat16 keeps the high half of a float; the low half decides the rounding. */
Test(gpusim_convert, bf16_rounding) {
  for (uint32_t i = 0; i < HALVES; i++)
    all_in[i] = 0x40490000u | i;
  convert_words("cvt.rn.bf16.f32 %g, %a; cvt.u32.u16 %d, %g;", all_in, all_out, HALVES);
  for (uint32_t i = 0; i < HALVES; i++)
    cr_expect_eq(all_out[i], i >= 0x8000 ? 0x404a : 0x4049, "%#x", all_in[i]);
}

/* ex2.approx is within two units in the last place. */
Test(gpusim_convert, powers_of_two) {
  for (uint32_t i = 0; i < HALVES; i++) {
    float x = ((float)i - 32768.0f) / 256.0f;
    memcpy(&all_in[i], &x, sizeof x);
  }
  convert_words("ex2.approx.f32 %d, %a;", all_in, all_out, HALVES);
  for (uint32_t i = 0; i < HALVES; i++) {
    float x;
    float y;
    memcpy(&x, &all_in[i], sizeof x);
    memcpy(&y, &all_out[i], sizeof y);
    double expected = exp2((double)x);
    bool right = fabs((double)y - expected) <= expected * 0x1p-22 + 0x1p-149;
    cr_expect(right || (isinf(y) && expected >= 0x1p128), "2^%g: %g", (double)x, (double)y);
  }
}
