//@use ptx/math
//@use tile/finish

//# Partial results of a row, from the teams of a CTA or from the items of a unit, become a row of O.

/* Threads that share a row, of which each takes kQuads groups of four columns: thread i has i, i + kRowThreads, ... */
template <u32 kQuads> constexpr u32 kRowThreads = kVDim / 4 / kQuads;

/* A thread's columns of a row: O, not normalised, and the row's maximum (see joined_score) and sum. */
template <u32 kQuads> struct Partial {
  float4 o[kQuads];
  float most;
  float sum;
};

/* to = to_factor * to + factor * from */
void add_scaled(float4 &to, float to_factor, const float4 &from, float factor) {
  to.x = fmaf(to.x, to_factor, from.x * factor);
  to.y = fmaf(to.y, to_factor, from.y * factor);
  to.z = fmaf(to.z, to_factor, from.z * factor);
  to.w = fmaf(to.w, to_factor, from.w * factor);
}

/*
 * Joins `count` partials, kAtOnce at a time. From one to the next it is state_step to its maximum and sum, and
 * value_step to its columns. `scale` makes differences of maxima base-2 logits.
 */
template <int kAtOnce, u32 kQuads>
Partial<kQuads> join(const float2 *states, int state_step, const float *values, int value_step, int count,
                     float scale) {
  Partial<kQuads> joined = {{}, minus_infinity(), 0};
#pragma unroll 1
  for (int first = 0; first < count; first += kAtOnce) {
    float2 state[kAtOnce];
    float4 o[kAtOnce][kQuads];
    float most = joined.most;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const long long part = first + i;
      const bool is_there = part < count; /* what is not counts as one that saw nothing */
      state[i] = is_there ? states[part * state_step] : make_float2(minus_infinity(), 0);
#pragma unroll
      for (u32 q = 0; q < kQuads; q++) {
        const float *from = values + part * value_step + q * (4 * kRowThreads<kQuads>);
        o[i][q] = is_there ? *(const float4 *)from : make_float4(0, 0, 0, 0);
      }
      most = fmaxf(most, state[i].x);
    }
    float shrink = joined.sum > 0 ? exp2_fast((joined.most - most) * scale) : 0;
    joined.most = most;
    joined.sum *= shrink;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const float weight = state[i].y > 0 ? exp2_fast((state[i].x - most) * scale) : 0;
      joined.sum = fmaf(weight, state[i].y, joined.sum);
#pragma unroll
      for (u32 q = 0; q < kQuads; q++)
        add_scaled(joined.o[q], shrink, o[i][q], weight);
      shrink = 1;
    }
  }
  return joined;
}

/* Writes the thread's columns, from `column` on, of a row. */
template <u32 kQuads>
void write_row(const fi_attention_args &args, const RowEnd &end, u32 column, const Partial<kQuads> &part) {
  const FinishedRow finished = finish_row(args, end, part.most, part.sum, column == 0);
#pragma unroll
  for (u32 q = 0; q < kQuads; q++) {
    const float4 o = part.o[q];
    const float factor = finished.factor;
    write_output(finished.o + column + q * (4 * kRowThreads<kQuads>),
                 make_float4(o.x * factor, o.y * factor, o.z * factor, o.w * factor));
  }
}

/* Writes the thread's columns, from `column` on, of a row of a group, `row` of the partial rows. */
template <u32 kQuads>
void keep_group_row(const fi_attention_args &args, long long row, u32 column, const Partial<kQuads> &part) {
  if (column == 0)
    *(float2 *)(args.plan.group_ml + row * 2) = make_float2(part.most, part.sum);
  float *to = args.plan.part_o + row * kVDim + column;
#pragma unroll
  for (u32 q = 0; q < kQuads; q++)
    *(float4 *)(to + q * (4 * kRowThreads<kQuads>)) = part.o[q];
}
