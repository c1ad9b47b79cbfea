//@use tile/partials
//@use tile/threads
//@use ptx/memory
//@use ring/barriers
//@use work/merge_wide

//# Rows whose KV was cut over several items are merged by the CTAs whose last items these were: slices of them are
//# taken one after the other by whoever is there. The CTA with the last partial takes what nobody else does, so that
//# none has to wait for another.

/*
 * Launches of a plan have this bit in turn. A unit's count of arrivals has it from the start in every other launch, and
 * its count of slices, from when all partials are there, in those between: so that neither has to be cleared while CTAs
 * may look at it.
 */
constexpr u32 kLaunchBit = 0x80000000;

constexpr int kFewParts = 8; /* partials of a unit whose loads are all under way at once, of several columns */
constexpr u32 kFewQuads = 4;
constexpr int kManyParts = 16; /* of more partials, and of fewer columns: slices are more, and smaller */
constexpr u32 kManyQuads = 1;

constexpr u32 kNoSlice = ~0u; /* more than any unit has */

/* What all of a unit's CTAs count its slices by; null where one CTA merges it. */
u32 *slices_taken(const fi_plan_arrays &plan, const fi_unit &unit) {
  return unit.parent ? plan.arrivals + unit.parent - 1 : nullptr;
}

/*
 * After an item's partial is written. If it is the last of its unit, the first slice is this CTA's and the others may
 * be taken.
 */
void arrive(Workers threads, const fi_plan_arrays &plan, int number, Barriers &barriers) {
  threads.sync();
  if (!threads.leads())
    return;
  fi_unit &unit = plan.units[number];
  const int part_count = unit.part_count; /* asked for before the arrival */
  u32 *const taken = slices_taken(plan, unit);
  const u32 before = count_down(plan.arrivals + number);
  barriers.open = ~before & kLaunchBit;
  barriers.unit = number;
  if (before % kLaunchBit > 1)
    return;
  plan.arrivals[number] = barriers.open | part_count;
  if (taken)
    store_released(taken, barriers.open | 1);
  unit.next = barriers.ready;
  barriers.ready = number;
  barriers.unit = -1;
}

/* Takes a slice. */
u32 take_slice(u32 *taken) {
  return atomicAdd(taken, 1) % kLaunchBit;
}

/* The first slice that is left when all partials of a unit are there; none when that takes long. */
u32 wait_for_slice(u32 *taken, u32 open) {
  constexpr int kPolls = 32;
  for (int i = 0; i < kPolls && taken; i++) {
    if ((load_acquired(taken) & kLaunchBit) == open)
      return take_slice(taken);
    pause();
  }
  return kNoSlice;
}

/* Merges all partials of a slice's rows and columns, and writes them to O. */
template <int kParts, u32 kQuads>
void merge_slice(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice) {
  const u32 i = slice * kWorkers + threads.number();
  const u32 row = i / kRowThreads<kQuads>;
  const u32 column = i % kRowThreads<kQuads> * 4;
  if (row >= unit.row_count * kGroup)
    return;
  const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
  const long long first = unit.part_begin + row;
  const float2 *states = (const float2 *)args.plan.part_ml + first;
  const float *values = args.plan.part_o + first * kVDim + column;
  const int stride = unit.part_stride;
  const RowEnd end = row_end(args, token, unit.kv_head, row); /* asked for before the join */
  write_row(args, end, column,
            join<kParts, kQuads>(states, stride, values, stride * kVDim, unit.part_count,
                                 joined_scale(args, unit.kv_head)));
}

/* What one of the threads knows, for all of them. */
u32 share(Workers threads, u32 &shared, u32 known) {
  if (threads.leads())
    shared = known;
  threads.sync();
  const u32 all = shared;
  threads.sync();
  return all;
}

/*
 * Merges slices of a unit, from this one on, until all are taken, each by `merge`, for which a row is that of so many
 * threads.
 */
template <auto merge, u32 kThreadsOfRow>
void merge_slices(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice, u32 &shared) {
  const u32 count = (unit.row_count * kGroup * kThreadsOfRow + kWorkers - 1) / kWorkers;
  u32 *const taken = slices_taken(args.plan, unit);
  while (slice < count) {
    u32 next = slice + 1;
    if (threads.leads() && taken)
      next = take_slice(taken); /* asked for before the merge */
    merge(threads, args, unit, slice);
    slice = share(threads, shared, next);
  }
}

void merge_unit(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice, u32 &shared) {
  if (unit.part_count <= kFewParts)
    merge_slices<merge_slice<kFewParts, kFewQuads>, kRowThreads<kFewQuads>>(threads, args, unit, slice, shared);
  else if (unit.part_count <= 2 * kManyParts)
    merge_slices<merge_slice<kManyParts, kManyQuads>, kRowThreads<kManyQuads>>(threads, args, unit, slice, shared);
  else
    merge_slices<merge_wide_slice, kWideRowThreads>(threads, args, unit, slice, shared);
}

/*
 * After the CTA's items, when nothing else is in the registers: merges the units of which it wrote the last partial,
 * and then helps with that of its last partial. Most often one of both is the unit of the last item alone, whose record
 * is fetched while the arrival is under way.
 */
void merge_together(Workers threads, const fi_attention_args &args, int last_unit, Barriers &barriers) {
  int number = last_unit;
  fi_unit unit = args.plan.units[number];
  threads.sync();
  for (int ready = barriers.ready;; ready = args.plan.units[ready].next) {
    const bool helps = ready < 0;
    const int next = helps ? barriers.unit : ready;
    if (next < 0)
      return;
    if (next != number)
      unit = args.plan.units[next];
    number = next;
    u32 slice = 0;
    if (helps && threads.leads())
      slice = wait_for_slice(slices_taken(args.plan, unit), barriers.open);
    merge_unit(threads, args, unit, share(threads, barriers.slice, slice), barriers.slice);
    if (helps)
      return;
  }
}
