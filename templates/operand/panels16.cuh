//@use operand/products

//# Products of matrices of 16-bit elements: weights with V.

/* Weights of a warp's rows, as the operand of the product with V. */
typedef u32 Weights[kTeamTokens / 16][4];

/* Starts O += P V. */
void accumulate(Output &o, const Weights &weights, u32 values) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    multiply_values(o[0], weights[t], describe(values + t * (16 * kPanelRow / 16)));
  products_commit();
}

void pack_weights(Weights &weights, const Scores &scores) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    pack_operand(weights[t], scores, 0, t);
}
