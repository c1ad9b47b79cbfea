//# f32 to 8-bit floating point, rounded to nearest even, values beyond the range to the largest.

//@if fp8_convert
//@if kv_dtype == e4m3
/* Two values as e4m3, the first in the low byte. */
u32 fp8_pair(float low, float high) {
  u16 pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  return pair;
}
//@else
/* Two values as e5m2, the first in the low byte. */
u32 fp8_pair(float low, float high) {
  u16 pair;
  asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  return pair;
}
//@end
//@else
//@if kv_dtype == e4m3
constexpr int kFp8Mantissa = 3;

constexpr int kFp8Bias = 7;

constexpr u32 kFp8Largest = 0x7e; /* 448 */
//@else
constexpr int kFp8Mantissa = 2;

constexpr int kFp8Bias = 15;

constexpr u32 kFp8Largest = 0x7b; /* 57344 */
//@end

/*
 * One value as an 8-bit code. Adding the power of two whose last bit is the code's lets the f32 addition round;
 * below the smallest normal exponent that bit stays where it is, which gives denormals.
 */
u32 fp8_code(float value) {
  const u32 bits = __float_as_uint(value);
  const u32 sign = bits >> 24 & 0x80;
  const u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return sign | 0x7f;
  const int exponent = max((int)(magnitude >> 23), 128 - kFp8Bias);
  const float last_bit = __uint_as_float((u32)(exponent + 23 - kFp8Mantissa) << 23);
  const float rounded = __fadd_rn(__fadd_rn(__uint_as_float(magnitude), last_bit), -last_bit);
  const float code_scale = __uint_as_float((u32)kFp8Bias << 23);
  const u32 code = __float_as_uint(__fmul_rn(rounded, code_scale)) >> (23 - kFp8Mantissa);
  return sign | min(code, kFp8Largest);
}

/* Two values, the first in the low byte. */
u32 fp8_pair(float low, float high) {
  return fp8_code(low) | fp8_code(high) << 8;
}
//@end
