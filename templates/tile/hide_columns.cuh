//@use tile/fragment
//@use tile/rows
//@use ptx/math

//# Columns out of sight, by the bits of words.

constexpr u32 kMaskWords = (kTeamTokens + 31) / 32;

/* Takes scores of a row group out of the softmax whose columns' bits, bit c % 32 of word c / 32 for column c, are 0. */
void hide_columns(Scores &scores, u32 group, const u32 (&words)[kMaskWords]) {
  const u32 column = first_column(fresh_lane());
#pragma unroll
  for (u32 w = 0; w < kMaskWords; w++) {
    const u32 own = words[w] >> column; /* the lane's bits are at places that the compiler knows */
#pragma unroll
    for (u32 i = 8 * w; i < 8 * w + 8 && i < kTeamTokens / 4; i++)
      if (!(own & 1u << column_step(i) % 32))
        at(scores, group, i) = minus_infinity();
  }
}
