//@use tile/softmax
//@use tile/logits

//# Steps whose scores become weights without becoming logits first. The bits of a row depend on whether the warp's
//# other rows allow it, which must not be of other requests. Of more than 384 threads none has registers for it.

//@if weighs_at_once && weight_exponent == 0 && team_tokens >= 64 && threads <= 384
/* Of maxima whose rounding is nothing beside that of weights. */
constexpr float kLargestMost = 0x1p13f;

//@use tile/weigh_capped
//@else
/* None are such. */
bool weigh_at_once(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool all_seen) {
  return false;
}
//@end
