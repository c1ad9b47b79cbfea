//@use ptx/math
//@use tile/logits
//@use work/scales
//@use output/{o_dtype}

//# What ends a row: its log-sum-exp, its factor, and where it goes; or its partial result.

//@if lse
//@if lse == 1
constexpr float kLseUnit = 0.6931471805599453f; /* of a base-2 logarithm */
//@else
constexpr float kLseUnit = 1; /* of a base-2 logarithm */
//@end

/* Writes the log-sum-exp of a row, whose maximum is a base-2 logit. */
void write_lse(const fi_attention_args &args, int token, u32 head, float most, float sum) {
  float *to = args.lse + (long long)token * args.lse_token_stride + head;
  *to = sum == 0 ? minus_infinity() : (most + log2_fast(sum)) * kLseUnit; /* NaN of a row that saw it */
}
//@else
/* The log-sum-exp of a row is not asked for. */
void write_lse(const fi_attention_args &args, int token, u32 head, float most, float sum) {}
//@end

/* Where the columns of a row of O go, and what they are multiplied with. */
struct FinishedRow {
  OutputElement *o;
  float factor;
};

/*
 * Ends row `row` of a tile or unit, a token's, whose maximum (a score as Q gives it) and sum these are. The factor is
 * what V and O are scaled with over the sum; 0 for a row that saw nothing. One thread of the row, which has its end,
 * writes the log-sum-exp.
 */
FinishedRow finish_row(const fi_attention_args &args, int token, int kv_head, u32 row, float most, float sum,
                       bool has_end) {
  const u32 head = kv_head * kGroup + row % kGroup;
  if (has_end)
    write_lse(args, token, head, most * joined_scale(args, kv_head), sum);
  OutputElement *to = (OutputElement *)args.o + token * args.o_token_stride + head * args.o_head_stride;
  return {to, sum > 0 ? args.o_factor * scale_of(args.v, kv_head) * (1 / sum) : 0}; /* a reciprocal: no division */
}

/* Keeps maximum and sum of row `row` of the partial results; returns where its columns go, not normalised. */
float *keep_row(const fi_attention_args &args, long long row, float most, float sum, bool has_end) {
  if (has_end)
    *(float2 *)(args.plan.part_ml + row * 2) = make_float2(most, sum);
  return args.plan.part_o + row * kVDim;
}
