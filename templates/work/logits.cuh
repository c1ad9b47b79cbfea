//@use work/scales

//# What a score becomes: the logit whose exponential is its weight.

/* Turns a score into a base-2 logit. At least 2^-80, as scale_log2 is: masked scores must stay far below others. */
float score_scale(const fi_attention_args &args, int kv_head) {
  const float scale = args.scale_log2 * scale_of(args.k, kv_head);
  return scale < 0x1p-80f ? 0x1p-80f : scale;
}
