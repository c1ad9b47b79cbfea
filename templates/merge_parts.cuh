//@use math
//@use output
//@use memory

//@if teams > 1
/* Loads that are under way at once: of so many partials, for so many groups of four columns. */
constexpr int kMergeParts = 16;
constexpr u32 kMergeColumns = 1;
//@else
/* Loads that are under way at once: of so many partials, for so many groups of four columns. */
constexpr int kMergeParts = 2;
constexpr u32 kMergeColumns = 4;
//@end

/* The merge of four columns of a row so far. */
struct Merged {
  int token;
  u32 row;
  u32 column;
  float4 o;
  float most;
  float sum;
};

/* Adds partials to the columns of a row: the states and values of `count` of them. */
void add_parts(Merged &merged, const float2 (&states)[kMergeParts], const float4 (&values)[kMergeParts], int count) {
  float most = merged.most;
#pragma unroll
  for (int i = 0; i < kMergeParts; i++)
    if (i < count)
      most = fmaxf(most, states[i].x);
  const float shrink = merged.sum > 0 ? exp2_fast(merged.most - most) : 0;
  merged.o = make_float4(merged.o.x * shrink, merged.o.y * shrink, merged.o.z * shrink, merged.o.w * shrink);
  merged.sum *= shrink;
  merged.most = most;
#pragma unroll
  for (int i = 0; i < kMergeParts; i++)
    if (i < count) {
      const float weight = states[i].y > 0 ? exp2_fast(states[i].x - most) : 0;
      merged.o.x += weight * values[i].x;
      merged.o.y += weight * values[i].y;
      merged.o.z += weight * values[i].z;
      merged.o.w += weight * values[i].w;
      merged.sum += weight * states[i].y;
    }
}

/* Adds up to kMergeParts partials of a unit from number `first` on. All loads start before the first is used. */
void merge_batch(Merged (&merged)[kMergeColumns], const fi_plan_arrays &plan, const fi_unit &unit, int first) {
  const int count = unit.part_count - first;
  float2 states[kMergeColumns][kMergeParts];
  float4 values[kMergeColumns][kMergeParts];
#pragma unroll
  for (u32 c = 0; c < kMergeColumns; c++)
#pragma unroll
    for (int i = 0; i < kMergeParts; i++)
      if (i < count) {
        const long long row = unit.part_begin + (long long)(first + i) * unit.part_stride + merged[c].row;
        states[c][i] = *(const float2 *)(plan.part_ml + row * 2);
        values[c][i] = *(const float4 *)(plan.part_o + row * kHeadDim + merged[c].column);
      }
#pragma unroll
  for (u32 c = 0; c < kMergeColumns; c++)
    add_parts(merged[c], states[c], values[c], count);
}

void write_merged(const fi_attention_args &args, const fi_unit &unit, const Merged &merged, float v_scale) {
  const int token = merged.token;
  const u32 head = unit.kv_head * kGroup + merged.row % kGroup;
  const float factor = row_factor(merged.sum, v_scale);
  *(uint2 *)(output_row(args, token, head) + merged.column) =
      make_uint2(pack_output(merged.o.x * factor, merged.o.y * factor),
                 pack_output(merged.o.z * factor, merged.o.w * factor));
//@if lse
  if (merged.column == 0)
    write_lse(args, token, head, merged.most, merged.sum);
//@end
}

/* Merges all partials of a unit, writes its rows of O and makes the unit ready for the next launch. */
void merge_unit(const fi_attention_args &args, const fi_unit &unit, int number) {
  const float v_scale = value_scale(args, unit.kv_head);
  const u32 size = unit.row_count * kGroup * (kHeadDim / 4);
#pragma unroll 1
  for (u32 i = fresh_thread(); i < size; i += kThreads * kMergeColumns) {
    Merged merged[kMergeColumns];
#pragma unroll
    for (u32 c = 0; c < kMergeColumns; c++) {
      const u32 place = min(i + c * kThreads, size - 1); /* behind the end the last one again, unused */
      const u32 row = place / (kHeadDim / 4);
      const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
      merged[c] = {token, row, place % (kHeadDim / 4) * 4, make_float4(0, 0, 0, 0), minus_infinity(), 0};
    }
#pragma unroll 1
    for (int first = 0; first < unit.part_count; first += kMergeParts)
      merge_batch(merged, args.plan, unit, first);
#pragma unroll
    for (u32 c = 0; c < kMergeColumns; c++)
      if (i + c * kThreads < size)
        write_merged(args, unit, merged[c], v_scale);
  }
  if (threadIdx.x == 0)
    args.plan.arrivals[number] = unit.part_count;
}

/*
 * After its partial is written: counts down at each unit that the item feeds. A unit whose last partial this is
 * goes into the CTA's list of units to merge; `list` is its head and lives in thread 0.
 */
void arrive(const fi_plan_arrays &plan, const fi_item &item, int &list) {
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int u = item.unit; u < item.unit + item.unit_count; u++)
    if (count_down(plan.arrivals + u) == 1) {
      plan.units[u].next = list;
      list = u;
    }
}

/*
 * Merges the units of the CTA's list: behind its items, when nothing else is in the registers. Most often that is
 * the unit of the last item alone, whose record is fetched while the arrival is under way.
 */
void merge_list(const fi_attention_args &args, int list, int last_unit, volatile int *flag) {
  fi_unit unit = args.plan.units[last_unit];
  int held = last_unit; /* the number of `unit` */
  for (;;) {
    if (threadIdx.x == 0)
      *flag = list;
    __syncthreads();
    const int number = *flag;
    if (number < 0)
      return;
    if (threadIdx.x == 0)
      list = args.plan.units[number].next;
    if (number != held)
      unit = args.plan.units[number];
    held = number;
    merge_unit(args, unit, number);
    __syncthreads();
  }
}
