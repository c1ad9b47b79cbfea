/* flashjit: merge lse=1 */

struct fi_merge_args {
  const void *parts_o;
  const float *parts_lse;
  void *o;
  float *lse;
  long long o_token_stride;
  long long o_head_stride;
  int parts;
  int tokens;
  int heads;
  float o_factor;
};

constexpr int kVDim = 128;               /* elements of a row of V and O */

constexpr int kThreads = 128;            /* of a CTA */
constexpr int kCtasPerSm = 8;            /* CTAs that share an SM */

typedef unsigned short u16;
typedef unsigned int u32;

u32 lane() {
  return threadIdx.x % 32;
}

u32 warp() {
  return threadIdx.x / 32;
}

/*
 * Waits for the launch in front of this one and its writes. Unless that lets this one begin earlier, it does when all
 * CTAs of the other have ended: CTAs that came earlier would share the SMs where work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}

float minus_infinity() {
  return __uint_as_float(0xff800000u);
}

float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

u32 pack_bf16(float low, float high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

float2 unpack_bf16(u32 word) {
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}

typedef u16 OutputElement;

/* Writes two elements of a row of O that lie next to each other. */
void write_output(OutputElement *to, float low, float high) {
  *(u32 *)to = pack_bf16(low, high);
}

/* Writes four. */
void write_output(OutputElement *to, const float4 &values) {
  *(uint2 *)to = {pack_bf16(values.x, values.y), pack_bf16(values.z, values.w)};
}

/* Reads two elements of a row of O. */
float2 read_output(const OutputElement *from) {
  return unpack_bf16(*(const u32 *)from);
}

constexpr float kLog2PerLse = 1.4426950408889634f; /* of the base of the log-sum-exp */

/* Writes the log-sum-exp of a row: the largest of its parts, and the sum of their weights. */
void write_lse(const fi_merge_args &args, long long row, float most, float sum) {
  args.lse[row] = sum == 0 ? minus_infinity() : most + log2_fast(sum) / kLog2PerLse; /* NaN of a part that has it */
}

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
