//@use tile/partials
//@use tile/threads
//@use ptx/memory

//# Rows whose KV was cut over several items are merged by the CTA that finishes the last of them.

//@if prefixes
constexpr u32 kMergers = kWorkers / 32; /* a prefix completes many units at once: each warp merges those of a list */
//@else
constexpr u32 kMergers = 1; /* all threads merge a unit */
//@end

typedef Threads<kWorkers / kMergers> Merger;

//@if teams > 1
constexpr int kMergeParts = 8; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = kVDim >= 512 ? 4 : 2; /* groups of four columns that a thread takes of a row */
//@else
//@if v_tail
constexpr int kMergeParts = 4; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 2; /* groups of four columns that a thread takes of a row */
//@else
constexpr int kMergeParts = 2; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 4; /* groups of four columns that a thread takes of a row */
//@end
//@end
constexpr u32 kMergeThreads = kRowThreads<kMergeQuads>; /* of a row */

/* A partial of a unit is there. If it is the last, the unit goes into a list of those to be merged. */
void count_part(const fi_plan_arrays &plan, int unit, int &ready) {
  if (count_down(plan.arrivals + unit) == 1) {
    plan.units[unit].next = ready;
    ready = unit;
  }
}

//@if prefixes
/*
 * After an item's partial is written: counts it at each of the units that it feeds, a lane at each, since every count
 * is a way to memory and back. `ready` is the head of the first list; the units are dealt to all.
 */
void arrive(Workers threads, const fi_plan_arrays &plan, int unit, int unit_count, int &ready) {
  threads.sync();
  if (threads.number() >= 32)
    return;
  for (int first = unit; first < unit + unit_count; first += 32) {
    const int own = first + (int)lane();
    const bool is_last = own < unit + unit_count && count_down(plan.arrivals + own) == 1;
    u32 complete = __ballot_sync(kAllLanes, is_last);
    for (; complete != 0 && threads.leads(); complete &= complete - 1) {
      const int number = first + __ffs(complete) - 1;
      int &list = (&ready)[number % kMergers];
      plan.units[number].next = list;
      list = number;
    }
    __syncwarp();
  }
}
//@else
/* After an item's partial is written: counts it at each of the units that it feeds. `ready` is the list's head. */
void arrive(Workers threads, const fi_plan_arrays &plan, int unit, int unit_count, int &ready) {
  threads.sync();
  if (!threads.leads())
    return;
  for (int u = unit; u < unit + unit_count; u++)
    count_part(plan, u, ready);
}
//@end

/* Merges all partials of a unit and writes its rows of O, or, of a group, the partial that stands for all of them. */
void merge_unit(Merger threads, const fi_attention_args &args, const fi_unit &unit) {
  const float scale = joined_scale(args, unit.kv_head);
  /* Below 0 are partials of a tree, the last of which comes first in memory. */
  const float *parts_ml = unit.part_stride > (int)kRows ? args.plan.group_ml : args.plan.part_ml;
#pragma unroll 1
  for (u32 i = threads.number(); i < unit.row_count * kGroup * kMergeThreads; i += kWorkers / kMergers) {
    const u32 row = i / kMergeThreads;
    const u32 column = i % kMergeThreads * 4;
    const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
    const long long first = unit.part_begin + row;
    const float2 *states = (const float2 *)parts_ml + first;
    const float *values = args.plan.part_o + first * kVDim + column;
    const int stride = unit.part_stride;
    const RowEnd end = row_end(args, token, unit.kv_head, row); /* asked for before the join */
    const Partial<kMergeQuads> part =
        join<kMergeParts, kMergeQuads>(states, stride, values, stride * kVDim, unit.part_count, scale);
    if (unit.parent)
      keep_group_row(args, first, column, part);
    else
      write_row(args, end, column, part);
  }
}

/*
 * Merges the units of a list after the CTA's items, when nothing else is in the registers, and makes them ready for the
 * next launch. Most often that is the unit of the last item alone, whose record is fetched while the arrival is under
 * way; -1 where that item is a whole unit.
 */
void merge_list(Merger threads, const fi_attention_args &args, int last_unit, int &ready) {
  int number = last_unit;
  fi_unit unit;
  if (number >= 0)
    unit = args.plan.units[number];
  for (;;) {
    threads.sync();
    if (ready < 0)
      return;
    if (ready != number) {
      number = ready;
      unit = args.plan.units[number];
    }
    const int next = threads.leads() ? args.plan.units[number].next : -1; /* asked for before the merge */
    merge_unit(threads, args, unit);
    threads.sync();
    if (threads.leads()) {
      ready = next;
      args.plan.arrivals[number] = unit.part_count;
      if (unit.parent)
        count_part(args.plan, unit.parent - 1, ready);
    }
  }
}

//@if prefixes
/* Every warp merges the units of its list. */
void merge_units(Workers threads, const fi_attention_args &args, int last_unit, int &ready) {
  const u32 merger = threads.number() / 32;
  threads.sync();
  merge_list({threads.first + 32 * merger, 0}, args, last_unit, (&ready)[merger]);
}
//@else
/* All threads merge the units of the one list. */
void merge_units(Workers threads, const fi_attention_args &args, int last_unit, int &ready) {
  merge_list(threads, args, last_unit, ready);
}
//@end
