//# Pairs of f16 from int4 codes and scales of f16.

/* Two scales as a pair. */
u32 scale_pair(const u8 *first, const u8 *second) {
  return *(const u16 *)first | (u32)*(const u16 *)second << 16;
}

/* (bits & mask) ^ turn, as one instruction: the compiler makes two of it when both are constants. */
u32 mask_and_turn(u32 bits, u32 mask, u32 turn) {
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(result) : "r"(bits), "r"(mask), "r"(turn));
  return result;
}

/*
 * Elements p and p + 4 of the 8 of a word, p below 4, times a pair of scales, rounded once. A code with its sign bit
 * turned over in the last bits of 1024 is 1024 + 8 + value; four bits before the last ones 1024 + 16 (8 + value).
 */
u32 scaled_pair(u32 word, u32 p, u32 scales) {
  const u32 codes = p < 2 ? word : word >> 8;
  u32 values;
  u32 pair;
  if (p % 2 == 0)
    asm("sub.rn.f16x2 %0, %1, %2;"
        : "=r"(values)
        : "r"(mask_and_turn(codes, 0x000f000fu, 0x64086408u)), "r"(0x64086408u));
  else
    asm("fma.rn.f16x2 %0, %1, %2, %3;"
        : "=r"(values)
        : "r"(mask_and_turn(codes, 0x00f000f0u, 0x64806480u)), "r"(0x2c002c00u), "r"(0xd480d480u)); /* 1 / 16, -72 */
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(values), "r"(scales));
  return pair;
}
