//# Pairs of f16 from nvfp4 codes and scales of e4m3. Elements are 2^-7 of what they are worth, exactly: scores and O
//# make up for it.

/* Two scales, times 2^7, as a pair: bits moved into f16's fields are the value over 2^8. */
u32 scale_pair(const u8 *first, const u8 *second) {
  const u32 spread = ((u32)*first & 0x7f) << 7 | ((u32)*second & 0x7f) << 23;
  u32 pair;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(spread), "r"(0x78007800u)); /* 2^15 */
  return pair;
}

/*
 * Elements p and p + 4 of the 8 of a word, p below 4, times a pair of scales. Bits moved into f16's fields are the
 * value over 2^14, as a subnormal number too.
 */
u32 scaled_pair(u32 word, u32 p, u32 scales) {
  const u32 codes = word << (12 - 4 * p);
  u32 pair;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"((codes & 0x80008000u) | (codes >> 3 & 0x0e000e00u)), "r"(scales));
  return pair;
}
