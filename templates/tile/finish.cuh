//@use ptx/math
//@use tile/logits
//@use tile/rows
//@use work/scales
//@use output/{o_dtype}

//# What ends a row: its log-sum-exp, its factor, and where it goes; or its partial result.

/* How a row ends: its maximum (base-2 logit), its sum, and what its O is multiplied with to belong to them. */
struct Ending {
  float most;
  float sum;
  float shrink;
};

//@if sinks
/* The sink of a head. */
float sink_of(const fi_attention_args &args, u32 head) {
  return args.sinks[head] * 1.4426950408889634f;
}

/* Adds a sink to the sum of a row. Differences are those of numbers of which one may be infinite. */
Ending with_sink(float most, float sum, float sink) {
  const float above = most - sink;
  if (sink == minus_infinity() || above >= 0)
    return {most, sum + (sink == minus_infinity() ? 0 : exp2_fast(-above)), 1};
  const float shrink = exp2_fast(above);
  return {sink, fmaf(sum, shrink, 1), shrink};
}
//@else
/* There are no sinks. */
float sink_of(const fi_attention_args &args, u32 head) {
  return 0;
}

//@if snippet == weight
/* Nor is O divided by a sum of weights. */
Ending with_sink(float most, float sum, float sink) {
  return {most, 1, 1};
}
//@else
Ending with_sink(float most, float sum, float sink) {
  return {most, sum, 1};
}
//@end
//@end

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

/* A row of a tile or unit that ends. */
struct RowEnd {
  int token;
  int kv_head;
  u32 head;
  float sink; /* base-2 logit */
};

/* What is known of row `row` before its result. */
RowEnd row_end(const fi_attention_args &args, int token, int kv_head, u32 row) {
  const u32 head = query_head(kv_head, row);
  return {token, kv_head, head, sink_of(args, head)};
}

/* Where the columns of a row of O go, and what they are multiplied with. */
struct FinishedRow {
  OutputElement *o;
  float factor;
};

/*
 * Ends a row whose maximum (see joined_score) and sum these are. The factor is what V and O are scaled with over the
 * sum; 0 for a row that saw nothing. One thread of the row, which has its end, writes the log-sum-exp.
 */
FinishedRow finish_row(const fi_attention_args &args, const RowEnd &end, float most, float sum, bool has_end) {
  const Ending ending = with_sink(most * joined_scale(args, end.kv_head), sum, end.sink);
  if (has_end)
    write_lse(args, end.token, end.head, ending.most, ending.sum);
  OutputElement *to = (OutputElement *)args.o + end.token * args.o_token_stride + end.head * args.o_head_stride;
  const float factor = args.o_factor * scale_of(args.v, end.kv_head) * ending.shrink;
  return {to, ending.sum > 0 ? factor * (1 / ending.sum) : 0}; /* a reciprocal: no division */
}

/* Keeps maximum and sum of row `row` of the partial results; returns where its columns go, not normalised. */
float *keep_row(const fi_attention_args &args, long long row, float most, float sum, bool has_end) {
  if (has_end)
    *(float2 *)(args.plan.part_ml + row * 2) = make_float2(most, sum);
  return args.plan.part_o + row * kVDim;
}
