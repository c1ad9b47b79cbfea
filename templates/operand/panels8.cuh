//@use ptx/warpgroup
//@use ring/turned
//@use tile/rows
//@use operand/weights8
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

/* All of a step. */
void pack_weights(Weights &weights, const Scores &scores) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++)
    pack_weights(weights[t], scores, 0, t);
}
