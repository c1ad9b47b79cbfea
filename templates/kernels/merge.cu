//@use ptx/types
//@use ptx/overlap
//@use ptx/math
//@use output/{o_dtype}

//@if lse == 2
constexpr float kLog2PerLse = 1; /* of the base of the log-sum-exp */
//@else
constexpr float kLog2PerLse = 1.4426950408889634f; /* of the base of the log-sum-exp */
//@end

//@if lse
/* Writes the log-sum-exp of a row: the largest of its parts, and the sum of their weights. */
void write_lse(const fi_merge_args &args, long long row, float most, float sum) {
  args.lse[row] = sum == 0 ? minus_infinity() : most + log2_fast(sum) / kLog2PerLse; /* NaN of a part that has it */
}
//@else
/* The log-sum-exp of a row is not asked for. */
void write_lse(const fi_merge_args &args, long long row, float most, float sum) {}
//@end

/*
 * Merges attention states of the same queries over disjoint KV ranges: each part's O counts with the weight of its
 * log-sum-exp. A warp takes a row, a lane pairs of its columns.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_merge(const __grid_constant__ fi_merge_args args) {
  wait_for_stream();
  const long long rows = (long long)args.tokens * args.heads;
  const long long warps = (long long)gridDim.x * (kThreads / 32);
  for (long long row = (long long)blockIdx.x * (kThreads / 32) + warp(); row < rows; row += warps) {
    float most = minus_infinity();
    for (int part = 0; part < args.parts; part++)
      most = fmaxf(most, args.parts_lse[part * rows + row]);
    float sum = 0;
    float2 o[(kVDim + 63) / 64] = {};
    for (int part = 0; part < args.parts; part++) {
      const float lse = args.parts_lse[part * rows + row];
      if (lse == minus_infinity())
        continue;
      const float weight = exp2_fast((lse - most) * kLog2PerLse);
      sum += weight;
      const OutputElement *from = (const OutputElement *)args.parts_o + (part * rows + row) * kVDim;
#pragma unroll
      for (u32 i = 0; i < kVDim / 2; i += 32)
        if (i + lane() < kVDim / 2) {
          const float2 pair = read_output(from + 2 * (i + lane()));
          o[i / 32].x = fmaf(weight, pair.x, o[i / 32].x);
          o[i / 32].y = fmaf(weight, pair.y, o[i / 32].y);
        }
    }
    const float factor = sum > 0 ? args.o_factor * (1 / sum) : 0;
    const long long to = row / args.heads * args.o_token_stride + row % args.heads * args.o_head_stride;
#pragma unroll
    for (u32 i = 0; i < kVDim / 2; i += 32)
      if (i + lane() < kVDim / 2)
        write_output((OutputElement *)args.o + to + 2 * (i + lane()), o[i / 32].x * factor, o[i / 32].y * factor);
    if (lane() == 0)
      write_lse(args, row, most, sum);
  }
}
