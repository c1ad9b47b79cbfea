//# e4m3, converted to f16, which has all its values.

//@if fp8_convert
/* Four e4m3 values as two pairs of f16. */
uint2 widen_four(u32 codes) {
  uint2 pairs;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\ncvt.rn.f16x2.e4m3x2 %1, high;\n}"
      : "=r"(pairs.x), "=r"(pairs.y)
      : "r"(codes));
  return pairs;
}
//@else
/*
 * A pair of f16 from two e4m3 codes, each in the upper byte of its half: the bits moved into f16's fields are the
 * value over 2^8, denormals included. The code of NaN, all ones, is the one whose successor reaches the sign; shifted
 * as the others are, that fills the exponent.
 */
u32 f16_of_spread(u32 spread) {
  const u32 magnitudes = spread & 0x7f007f00u;
  const u32 nans = (magnitudes + 0x01000100u) & 0x80008000u;
  const u32 scaled = (spread & 0x80008000u) | ((magnitudes | nans) >> 1);
  u32 word;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(word) : "r"(scaled), "r"(0x5c005c00u));
  return word;
}

/* Four e4m3 values as two pairs of f16. */
uint2 widen_four(u32 codes) {
  return make_uint2(f16_of_spread(__byte_perm(codes, 0, 0x1404)), f16_of_spread(__byte_perm(codes, 0, 0x3424)));
}
//@end
