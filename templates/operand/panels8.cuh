//@use operand/weights8
//@use operand/products
//@use ring/turned

//# Products of matrices of e4m3: weights with V.

/* Weights of a warp's rows, as the operand of the product with V. */
typedef u32 Weights[kTeamTokens / 32][4];

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
