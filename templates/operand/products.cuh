//@use ptx/warpgroup
//@use ring/panels
//@use tile/rows
//@emit wgmma

//# Matrices in panels, as products over a warpgroup take them.

constexpr u32 kBlock = kPanelDims / 4; /* elements of a row that one product takes: 32 bytes */

/*
 * What tells the instruction of a matrix in panels, in units of 16 bytes. A word has its address, and the bytes from
 * panel to panel where a product spans several. What all matrices have is the other: 8 rows from here are so far, and 1
 * is the pattern of 128 bytes. Products read both from registers of the warp, not of its lanes: the word is the same in
 * all lanes, and is left in one of the warp.
 */
u32 matrix_at(const u8 *tile, u32 panel_step) {
  return uniform((shared_address(tile) & 0x3ffff) / 16 | panel_step / 16 << 16);
}

u64 describe(u32 matrix) {
  return (u64)(8 * kPanelRow / 16 | 1 << 30) << 32 | matrix;
}

/* From the matrix of the first block of its rows to that of block `block`, in a tile of kTileRows. */
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
  for (u32 i = 0; i < (kQkDim + kBlock - 1) / kBlock; i++)
    multiply_keys(scores[0], describe(query + blocks_along<kRows>(i)), describe(keys + blocks_along<kTeamTokens>(i)),
                  i > 0);
  products_commit();
}
