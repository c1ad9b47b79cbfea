//@use tile/partials
//@use tile/threads

//# Many partials of a row: all loads are under way at once, since it is the way to memory and back that takes time. A
//# thread has two columns, and the lanes of a warp, which have the same row, share what is known of the partials.

constexpr int kWideParts = 64; /* whose loads are under way at once */
constexpr u32 kWideRowThreads = kVDim / 2;

float warp_max(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

float warp_sum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

/* A thread's columns of a row: O, not normalised, and the row's maximum and sum. */
struct WidePartial {
  float2 o;
  float most;
  float sum;
};

/* Joins as many partials as kWideParts, or fewer, to others. Lane l knows the states of partials l and l + 32. */
void join_wide(WidePartial &joined, const float2 *states, int state_step, const float *values, int value_step,
               int count, float scale) {
  float2 state[2];
  float2 o[kWideParts];
  float weight[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const long long part = 32 * i + (int)lane();
    state[i] = part < count ? states[part * state_step] : make_float2(minus_infinity(), 0);
  }
#pragma unroll
  for (int i = 0; i < kWideParts; i++)
    o[i] = i < count ? *(const float2 *)(values + (long long)i * value_step) : make_float2(0, 0);
  const float most = fmaxf(joined.most, warp_max(fmaxf(state[0].x, state[1].x)));
#pragma unroll
  for (int i = 0; i < 2; i++)
    weight[i] = state[i].y > 0 ? exp2_fast((state[i].x - most) * scale) : 0;
  const float shrink = joined.sum > 0 ? exp2_fast((joined.most - most) * scale) : 0;
  joined.most = most;
  joined.sum = fmaf(joined.sum, shrink, warp_sum(fmaf(weight[0], state[0].y, weight[1] * state[1].y)));
  joined.o.x *= shrink;
  joined.o.y *= shrink;
#pragma unroll
  for (int i = 0; i < kWideParts; i++) {
    const float factor = __shfl_sync(kAllLanes, weight[i / 32], i % 32);
    joined.o.x = fmaf(o[i].x, factor, joined.o.x);
    joined.o.y = fmaf(o[i].y, factor, joined.o.y);
  }
}

/* Merges all partials of a slice's rows, and writes them to O. */
void merge_wide_slice(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice) {
  const u32 i = slice * kWorkers + threads.number();
  const u32 row = i / kWideRowThreads;
  const u32 column = i % kWideRowThreads * 2;
  if (row >= unit.row_count * kGroup)
    return;
  const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
  const RowEnd end = row_end(args, token, unit.kv_head, row);
  const long long first = unit.part_begin + row;
  const long long stride = unit.part_stride;
  WidePartial joined = {{}, minus_infinity(), 0};
#pragma unroll 1
  for (int part = 0; part < unit.part_count; part += kWideParts)
    join_wide(joined, (const float2 *)args.plan.part_ml + first + part * stride, unit.part_stride,
              args.plan.part_o + (first + part * stride) * kVDim + column, unit.part_stride * kVDim,
              unit.part_count - part, joined_scale(args, unit.kv_head));
  const FinishedRow finished = finish_row(args, end, joined.most, joined.sum, column == 0);
  write_output(finished.o + column, joined.o.x * finished.factor, joined.o.y * finished.factor);
}
