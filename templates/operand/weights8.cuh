//@use tile/rows

//# Weights as an operand of products of e4m3.

/* Four e4m3 of a word, the first in its lowest byte. What is larger than 448 becomes 448. */
u32 pack_e4m3(float a, float b, float c, float d) {
  u32 word;
  asm("{\n.reg .b16 low, high;\ncvt.rn.satfinite.e4m3x2.f32 low, %2, %1;\n"
      "cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;\nmov.b32 %0, {low, high};\n}"
      : "=r"(word)
      : "f"(a), "f"(b), "f"(c), "f"(d));
  return word;
}

/*
 * The operand A of 32 tokens of block b, t of them before. A word has what the lane has of two octets of a row, so that
 * of each 16 tokens those at 2 l, 2 l + 1, 2 l + 8 and 2 l + 9 are neighbours in this order: V has them in the same.
 */
void pack_weights(u32 (&fragment)[4], const Scores &scores, u32 b, u32 t) {
#pragma unroll
  for (u32 w = 0; w < 4; w++) {
    const float(&first)[4] = scores[b][4 * t + w / 2 * 2];
    const float(&second)[4] = scores[b][4 * t + w / 2 * 2 + 1];
    const u32 row = w % 2 * 2;
    fragment[w] = pack_e4m3(first[row], first[row + 1], second[row], second[row + 1]);
  }
}
