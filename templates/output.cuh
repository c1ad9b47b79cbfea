//@use math
//@use convert

constexpr float kLn2 = 0.6931471805599453f;

/* What normalises a row: 1 / sum, or 0 for a row that saw nothing, times the scale of V. */
float row_factor(float sum, float v_scale) {
  return sum > 0 ? v_scale / sum : 0;
}

/* Where row `token`, `head` of O begins. */
u16 *output_row(const fi_attention_args &args, int token, u32 head) {
  return (u16 *)args.o + token * args.o_token_stride + head * args.o_head_stride;
}

//@if lse
/* Log-sum-exp of a row from its maximum (base-2 logits) and sum. */
void write_lse(const fi_attention_args &args, int token, u32 head, float most, float sum) {
  float *to = args.lse + (long long)token * args.lse_token_stride + head;
  *to = sum > 0 ? (most + log2_fast(sum)) * kLn2 : minus_infinity();
}
//@end

//@if kv_scale == none
float value_scale(const fi_attention_args &args, int kv_head) {
  return 1;
}
//@end
//@if kv_scale == tensor
float value_scale(const fi_attention_args &args, int kv_head) {
  return args.v_scale[0];
}
//@end
//@if kv_scale == head
float value_scale(const fi_attention_args &args, int kv_head) {
  return args.v_scale[kv_head];
}
//@end
