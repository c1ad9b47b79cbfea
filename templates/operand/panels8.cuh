//@use ptx/warpgroup
//@use ring/turned
//@use tile/rows
//@emit wgmma

//# Products of matrices of e4m3 in panels, over a warpgroup.

/* Weights of a warp's rows, as the operand of the product with V. */
typedef u32 Weights[kTeamTokens / 32][4];

/*
 * What tells the instruction of a matrix in panels, in units of 16 bytes. What all matrices have is in the upper word:
 * 8 rows from here are so far, and 1 is the pattern of 128 bytes. Products read both from registers of the warp, not of
 * its lanes: the address is the same in all lanes, and is left in one of the warp.
 */
u32 matrix_at(const u8 *tile) {
  return uniform((shared_address(tile) & 0x3ffff) / 16);
}

u64 describe(u32 matrix) {
  return (u64)(8 * kPanelRow / 16 | 1 << 30) << 32 | matrix;
}

/* From the matrix of the first 32 elements of its rows to that of block `block`, in a tile of kTileRows. */
template <u32 kTileRows> constexpr u32 blocks_along(u32 block) {
  return (block / 4 * (kTileRows * kPanelRow) + block % 4 * 32) / 16;
}

/*
 * What the compiler must not move over the products that write or read it: it knows no order between these and
 * arithmetic on the same registers.
 */
template <u32 kOctets> void pin(float (&tile)[1][kOctets][4]) {
#pragma unroll
  for (u32 i = 0; i < kOctets; i++)
    asm volatile(""
                 : "+f"(tile[0][i][0]), "+f"(tile[0][i][1]), "+f"(tile[0][i][2]), "+f"(tile[0][i][3]) : : "memory");
}

/* Starts scores = Q K^T. Dims that the last block has beyond the head's are 0. */
void score(Scores &scores, u32 query, u32 keys) {
#pragma unroll
  for (u32 i = 0; i < (kQkDim + 31) / 32; i++)
    multiply_keys(scores[0], describe(query + blocks_along<kRows>(i)), describe(keys + blocks_along<kTeamTokens>(i)),
                  i > 0);
  products_commit();
}

/* Starts O of a step = P V. */
void accumulate(Output &o, const Weights &weights, u32 values) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++)
    multiply_values(o[0], weights[t], describe(values + blocks_along<kVDim>(t)), t > 0);
  products_commit();
}

/* Four e4m3 of a word, the first in its lowest byte. What is larger than 448 becomes 448. */
u32 pack_e4m3(float a, float b, float c, float d) {
  u32 word;
  asm("{\n.reg .b16 low, high;\ncvt.rn.satfinite.e4m3x2.f32 low, %2, %1;\n"
      "cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;\nmov.b32 %0, {low, high};\n}"
      : "=r"(word)
      : "f"(a), "f"(b), "f"(c), "f"(d));
  return word;
}

/* A word has what the lane has of two octets of a row: V has its tokens in the same order (ring/turn). */
void pack_weights(Weights &weights, const Scores &scores) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++)
#pragma unroll
    for (u32 w = 0; w < 4; w++) {
      const float(&first)[4] = scores[0][4 * t + w / 2 * 2];
      const float(&second)[4] = scores[0][4 * t + w / 2 * 2 + 1];
      const u32 row = w % 2 * 2;
      weights[t][w] = pack_e4m3(first[row], first[row + 1], second[row], second[row + 1]);
    }
}
