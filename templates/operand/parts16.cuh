//@use ptx/store_matrices
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
  const u32 row = fresh_thread() % 128 / 32 * 16 + lane % 16;
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    store_matrices(shared_address(to) + panel_chunk<kRows>(row, 2 * t + lane / 16), weights[t]);
}
