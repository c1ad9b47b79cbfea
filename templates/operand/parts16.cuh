//@use operand/panels16
//@use ring/panels

//# Products with K that comes in parts, and with the half of V that a consumer has, over a warpgroup.

/* Starts the part of scores = Q K^T of some dims, whose first block of 16 is kFirst. */
template <u32 kFirst, u32 kBlocks> void score_part(Scores &scores, u32 query, u32 keys) {
  products_begin();
#pragma unroll
  for (u32 i = kFirst; i < kFirst + kBlocks; i++)
    multiply_keys(scores[0], describe(query + blocks_along<kRows>(i)), describe(keys + blocks_along<kTeamTokens>(i)),
                  i > 0);
}

/* Starts O += P V, P in shared memory. */
void accumulate(Output &o, u32 weights, u32 values) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    multiply_values(o[0], describe(weights + blocks_along<kRows>(t)), describe(values + t * (16 * kPanelRow / 16)));
  products_commit();
}

/* Writes the weights of a warp's rows to where products read them. */
void store_weights(u8 *to, const Weights &weights) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 8; i++)
#pragma unroll
    for (u32 r = 0; r < kRowGroups; r++)
      *(u32 *)(to + panel_chunk<kRows>(first_row() + 8 * r, i) + lane % 4 * 4) = weights[i / 2][i % 2 * 2 + r];
}
