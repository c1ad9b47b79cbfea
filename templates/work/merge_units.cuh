//@use tile/join
//@use ptx/memory

//# Rows whose KV was cut over several items are merged by the CTA that finishes the last of them.

//@if teams > 1
constexpr int kMergeParts = 8; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 2; /* groups of four columns that a thread takes of a row */
//@else
constexpr int kMergeParts = 2; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 4; /* groups of four columns that a thread takes of a row */
//@end
constexpr u32 kMergeThreads = kRowThreads<kMergeQuads>; /* of a row */

/*
 * After the item's partial is written: counts down at each unit that it feeds. A unit whose last partial this is goes
 * into the list of those that the CTA merges, whose head is `ready`.
 */
void arrive(const fi_plan_arrays &plan, const fi_item &item, int &ready) {
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int u = item.unit; u < item.unit + item.unit_count; u++)
    if (count_down(plan.arrivals + u) == 1) {
      plan.units[u].next = ready;
      ready = u;
    }
}

/* Merges all partials of a unit and writes its rows of O. */
void merge_unit(const fi_attention_args &args, const fi_unit &unit) {
#pragma unroll 1
  for (u32 i = fresh_thread(); i < unit.row_count * kGroup * kMergeThreads; i += kThreads) {
    const u32 row = i / kMergeThreads;
    const u32 column = i % kMergeThreads * 4;
    const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
    const long long first = unit.part_begin + row;
    const float2 *states = (const float2 *)args.plan.part_ml + first;
    const float *values = args.plan.part_o + first * kHeadDim + column;
    const int stride = unit.part_stride;
    const Partial<kMergeQuads> part =
        join<kMergeParts, kMergeQuads>(states, stride, values, stride * kHeadDim, unit.part_count);
    write_row(args, token, unit.kv_head, row, column, part);
  }
}

/*
 * Merges the CTA's units behind its items, when nothing else is in the registers, and makes them ready for the next
 * launch. Most often that is the unit of the last item alone, whose record is fetched while the arrival is under way.
 */
void merge_units(const fi_attention_args &args, int last_unit, int &ready) {
  int number = last_unit;
  fi_unit unit = args.plan.units[number];
  for (;;) {
    __syncthreads();
    if (ready < 0)
      return;
    if (ready != number) {
      number = ready;
      unit = args.plan.units[number];
    }
    merge_unit(args, unit);
    __syncthreads();
    if (threadIdx.x == 0) {
      ready = args.plan.units[number].next;
      args.plan.arrivals[number] = unit.part_count;
    }
  }
}
