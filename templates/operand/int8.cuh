//@use operand/fp8

//# K and V of int8, converted to f16.

/*
 * A pair of f16 from two int8 codes whose sign bits are turned over, each in the lower byte of its half under the upper
 * byte of 1024: that is 1024 + 128 + value.
 */
u32 f16_of_biased(u32 biased) {
  u32 word;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(word) : "r"(biased), "r"(0x64806480u));
  return word;
}

/* Four int8 values as two pairs of f16. */
uint2 convert_four(u32 codes) {
  const u32 turned = codes ^ 0x80808080u;
  return make_uint2(f16_of_biased(__byte_perm(turned, 0x64, 0x4140)), f16_of_biased(__byte_perm(turned, 0x64, 0x4342)));
}

//@use operand/products8
