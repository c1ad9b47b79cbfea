//# Weights of tokens whose V has less than 16 bits: operands of two products at once.

typedef u32 WeightOperands[2][kRowBlocks][4];

/* The weights of 32 tokens from 32 t on. */
void pack_operands(WeightOperands &p, const Scores &scores, u32 t) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++) {
    pack_operand(p[0][b], scores, b, 2 * t);
    pack_operand(p[1][b], scores, b, 2 * t + 1);
  }
}
