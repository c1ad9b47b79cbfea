//# Weights of the caller's in place of the softmax: a row is a plain sum, without a maximum.

/* Bits are heeded before. */
struct LateBits {};

template <typename Bits> LateBits late_bits(const Bits &bits) {
  return {};
}

/* Scores are weights already; that of a token that is not seen is -infinity. O never shrinks. */
template <typename Shrunk>
bool softmax(RowState &state, Scores &scores, Shrunk &shrunk, const LogitScale &scale, const LateBits &bits) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      at(scores, r, i) = is_hidden(at(scores, r, i)) ? 0 : at(scores, r, i);
  return false;
}

/* Closes an item. States of a row are added: with these maxima and sums each counts once. */
void close_rows(RowState &state, const tile_row *rows) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.most[r] = 0;
    state.sum[r] = 1;
  }
}

/* The weight of one more token of a row alone. */
TokenWeight weigh_token(float &most, float &sum, float score, float scale) {
  most = 0;
  sum = 1;
  return {1, score};
}
