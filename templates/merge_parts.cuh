//@use math
//@use output
//@use memory

/* Partials whose loads are under way at once: the latency of a merge is that of one batch. */
constexpr int kMergeBatch = 16;

/* The merge of some columns of a row so far. */
struct Merged {
  float4 o;
  float most;
  float sum;
};

/* Adds a batch of partials of row `row` of a unit. All loads start before the first is used. */
__device__ __forceinline__ void add_parts(Merged &merged, const fi_plan_arrays &plan, const fi_unit &unit, int batch,
                                          u32 row, u32 column) {
  const int count = unit.part_count - batch;
  float2 states[kMergeBatch];
  float4 parts[kMergeBatch];
#pragma unroll
  for (int i = 0; i < kMergeBatch; i++)
    if (i < count) {
      const long long part_row = plan.parts[unit.part_begin + batch + i] + row;
      states[i] = load_global2(plan.part_ml + part_row * 2);
      parts[i] = load_global4(plan.part_o + part_row * kHeadDim + column);
    }
  float most = merged.most;
#pragma unroll
  for (int i = 0; i < kMergeBatch; i++)
    if (i < count)
      most = fmaxf(most, states[i].x);
  const float shrink = merged.sum > 0 ? exp2_fast(merged.most - most) : 0;
  merged.o = make_float4(merged.o.x * shrink, merged.o.y * shrink, merged.o.z * shrink, merged.o.w * shrink);
  merged.sum *= shrink;
  merged.most = most;
#pragma unroll
  for (int i = 0; i < kMergeBatch; i++)
    if (i < count) {
      const float weight = states[i].y > 0 ? exp2_fast(states[i].x - most) : 0;
      merged.o.x += weight * parts[i].x;
      merged.o.y += weight * parts[i].y;
      merged.o.z += weight * parts[i].z;
      merged.o.w += weight * parts[i].w;
      merged.sum += weight * states[i].y;
    }
}

/* Merges all partials of a unit and writes its rows of O. */
__device__ __forceinline__ void merge_unit(const fi_attention_args &args, const fi_unit &unit) {
  const float v_scale = value_scale(args, unit.kv_head);
#pragma unroll 1
  for (u32 i = threadIdx.x; i < unit.row_count * kGroup * (kHeadDim / 4); i += kThreads) {
    const u32 row = i / (kHeadDim / 4);
    const u32 column = i % (kHeadDim / 4) * 4;
    Merged merged = {make_float4(0, 0, 0, 0), minus_infinity(), 0};
#pragma unroll 1
    for (int batch = 0; batch < unit.part_count; batch += kMergeBatch)
      add_parts(merged, args.plan, unit, batch, row, column);
    const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
    const u32 head = unit.kv_head * kGroup + row % kGroup;
    const float factor = row_factor(merged.sum, v_scale);
    *(uint2 *)(output_row(args, token, head) + column) =
        make_uint2(pack_output(merged.o.x * factor, merged.o.y * factor),
                   pack_output(merged.o.z * factor, merged.o.w * factor));
//@if lse
    if (column == 0)
      write_lse(args, token, head, merged.most, merged.sum);
//@end
  }
}

/*
 * After its partial is written: counts the item in at each unit that it feeds. A unit whose last partial this is goes into
 * the CTA's list of units to merge; `list` is its head and lives in thread 0.
 */
__device__ __forceinline__ void arrive(const fi_plan_arrays &plan, const fi_item &item, int &list) {
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int u = item.unit; u < item.unit + item.unit_count; u++) {
    const u32 last = plan.units[u].part_count - 1;
    if (count_arrival(plan.arrivals + u, last) == last) {
      plan.units[u].next = list;
      list = u;
    }
  }
}

/* Merges the units of the CTA's list: behind its items, when nothing else is in the registers. */
__device__ __forceinline__ void merge_list(const fi_attention_args &args, int list, volatile int *flag) {
  if (threadIdx.x == 0)
    *flag = list;
  __syncthreads();
#pragma unroll 1
  for (int u = *flag; u >= 0; u = args.plan.units[u].next)
    merge_unit(args, args.plan.units[u]);
}
