//@use ptx/math
//@use ring/stages
//@use tile/teams
//@use tile_records
//@use query/rotate_keys

//# Tokens with scales of their own: a score is multiplied with that of K. That of V becomes a part of the logit, its
//# logarithm, so that weights are those of the stored elements: no f16 need hold their product. The sum of a row takes
//# it back.

/* A row of zeros may have a scale of 0. NaN stays, but its inverse is a number: a token out of sight adds 0 of it. */
constexpr float kLeastScale = 0x1p-100f;

/* What the team's tokens of a step are worth. */
token_worth *token_worths() {
  extern __shared__ __align__(1024) u8 shared[];
  return (token_worth *)(shared + kSharedWorths) + team() * kTeamTokens;
}

//@if v_bits == 8
/* What token `i` of a stage is worth. */
token_worth worth_of(const ScaledKeys &keys, u32 i) {
  const float stored = value_scales_of(keys)[i];
  const float value = stored < kLeastScale ? kLeastScale : stored;
  return {key_scales_of(keys)[i], log2_fast(value), fminf(1 / value, kLargest)};
}
//@else
/* What token `i` of a stage is worth: V has scales of groups, with which its elements are multiplied. */
token_worth worth_of(const ScaledKeys &keys, u32 i) {
  return {key_scales_of(keys)[i], 0, 1};
}
//@end

/* K of a step, and what its tokens are worth. Ends with a barrier of the team. */
const u8 *ready_keys(Team threads, u8 *shared, const ScaledKeys &keys, const fi_attention_args &args,
                     const fi_item &item, int token) {
  for (u32 i = threads.number(); i < kTeamTokens; i += 32 * kTeamWarps)
    token_worths()[i] = worth_of(keys, i);
  const u8 *ready = ready_keys(threads, shared, keys.rows, args, item, token);
  threads.sync();
  return ready;
}
