//@use ptx/math

//# Caps: a scaled score x becomes c tanh(x / c).

//@if softcap
/*
 * The base-2 logit of a score with what is added to it. tanh(y) is 1 - 2 / (1 + exp(2 y)), and the scale has the
 * factors that make 2 y of a score, to base 2. That takes two functions of the special function unit; tanh.approx would
 * be one, but is off by 2^-11 of the cap.
 */
float capped(const fi_attention_args &args, float score, float scale, float added) {
  const float least = reciprocal_fast(1 + exp2_fast(score * scale));
  return fmaf(-2 * args.cap_log2, least, args.cap_log2) + added;
}
//@else
/* The base-2 logit of a score with what is added to it: there is no cap. */
float capped(const fi_attention_args &args, float score, float scale, float added) {
  return fmaf(score, scale, added);
}
//@end
