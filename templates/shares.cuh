//@use batch

/* The tiles of the batch, and the line of their steps on one head. */
struct Line {
  const int *tile_begin;
  const int *step_begin;
  int tiles;
  int steps;
};

/* The heads of a section, and the line of all their units' steps, cut into shares. */
struct Section {
  int number;
  int first_head;
  int heads;
  int steps;
  int shares; /* CTAs that have one */
};

/* One tile on one head: its place among the section's units, and its steps in the section's line. */
struct Unit {
  int number;
  int tile;
  int head; /* within the section */
  int begin;
  int end;
};

/*
 * Sections are groups of heads whose KV fits in L2: the CTAs of a launch work on one group at a time, so that tiles of the
 * same head find it there. Batches of few rows read everything once and have one section.
 */
__device__ __forceinline__ int sections_of(const fi_plan_args &args, const Line &line) {
  if (args.max_sections == 1)
    return 1;
  __shared__ int kv_steps;
  if (threadIdx.x == 0)
    kv_steps = 0;
  __syncthreads();
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    if (line.tile_begin[request + 1] > line.tile_begin[request])
      atomicAdd(&kv_steps, kv_len_of(args, request) / args.step_tokens);
  __syncthreads();
  const long long wanted = (long long)kv_steps * args.kv_heads / args.section_steps;
  return (int)max(1ll, min(wanted, (long long)min(args.max_sections, args.kv_heads)));
}

__device__ __forceinline__ Section section_of(const fi_plan_args &args, const Line &line, int number, int count) {
  Section section;
  section.number = number;
  section.first_head = number * args.kv_heads / count;
  section.heads = (number + 1) * args.kv_heads / count - section.first_head;
  section.steps = line.steps * section.heads;
  section.shares = min(args.ctas, section.steps);
  return section;
}

/* First step of a share; shares differ by one step at most. */
__device__ __forceinline__ int share_begin(const Section &section, int share) {
  return (int)((long long)share * section.steps / section.shares);
}

/* The share that a step belongs to. */
__device__ __forceinline__ int share_of(const Section &section, int step) {
  return (int)((((long long)step + 1) * section.shares - 1) / section.steps);
}

/*
 * The order of units: with sections, all tiles of a head follow each other, since they share its KV; else all heads of a
 * tile do, since they lie beside each other in memory.
 */
__device__ __forceinline__ Unit unit_of(const fi_plan_args &args, const Line &line, const Section &section, int tile,
                                        int head) {
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  Unit unit;
  unit.tile = tile;
  unit.head = head;
  if (args.max_sections > 1) {
    unit.number = head * line.tiles + tile;
    unit.begin = head * line.steps + line.step_begin[tile];
  } else {
    unit.number = tile * section.heads + head;
    unit.begin = line.step_begin[tile] * section.heads + head * steps;
  }
  unit.end = unit.begin + steps;
  return unit;
}

__device__ __forceinline__ Unit unit_at(const fi_plan_args &args, const Line &line, const Section &section, int number) {
  if (args.max_sections > 1)
    return unit_of(args, line, section, number % line.tiles, number / line.tiles);
  return unit_of(args, line, section, number / section.heads, number % section.heads);
}

/* The unit that a step belongs to. */
__device__ __forceinline__ Unit unit_of_step(const fi_plan_args &args, const Line &line, const Section &section, int step) {
  if (args.max_sections > 1)
    return unit_of(args, line, section, find_last(line.step_begin, line.tiles, step % line.steps), step / line.steps);
  const int tile = find_last(line.step_begin, line.tiles, step / section.heads);
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  return unit_of(args, line, section, tile, (step - line.step_begin[tile] * section.heads) / steps);
}

/* The item of steps [begin, end) of a unit. */
__device__ __forceinline__ fi_item item_of(const fi_plan_args &args, const Line &line, const Section &section,
                                           const Unit &unit, int begin, int end) {
  const Tile tile = tile_of(args, line.tile_begin, unit.tile);
  fi_item item;
  item.kv_base = tile.kv_base;
  item.kv_head = section.first_head + unit.head;
  item.kv_begin = (begin - unit.begin) * step_tokens(args);
  item.kv_end = min(tile.kv_end, (end - unit.begin) * step_tokens(args));
  item.row_begin = tile.first;
  item.row_count = (unsigned short)tile.count;
  item.unit_count = 1;
  item.part = -1;
  item.unit = section.first_head * line.tiles + unit.number;
  return item;
}

/* Says of a unit in pieces where its partials are listed, and that none has arrived. */
__device__ __forceinline__ void write_unit(const fi_plan_args &args, const fi_item &item, int part_begin, int part_count) {
  args.plan.units[item.unit] = {item.row_begin, item.row_count, item.kv_head, part_begin, part_count, -1, {0, 0}};
  args.plan.arrivals[item.unit] = 0;
}

/*
 * Writes the piece of a unit that lies in a share. Unit u's piece in share c is item u + c of the section: going along the
 * line, u or c grows by one at every cut and at every unit's end. A share has at most two pieces of units that it does not
 * have whole, its first and its last, so that two partials a share are enough.
 */
__device__ __forceinline__ void write_piece(const fi_plan_args &args, const Line &line, const Section &section,
                                            const Unit &unit, int share) {
  const int first_share = share_of(section, unit.begin);
  const int last_share = share_of(section, unit.end - 1);
  const int share_first = share_begin(section, share);
  const int share_end = share_begin(section, share + 1);
  const int index = section.first_head * line.tiles + section.number * args.ctas + unit.number + share;
  fi_item item = item_of(args, line, section, unit, max(unit.begin, share_first), min(unit.end, share_end));
  if (last_share > first_share) {
    const int slot = 2 * (section.number * args.ctas + share) + (share == first_share ? 1 : 0);
    item.part = slot * args.tile_rows;
    args.plan.parts[index] = item.part;
    if (share == first_share)
      write_unit(args, item, index, last_share - first_share + 1);
  }
  args.plan.items[index] = item;
  fi_share *to = args.plan.shares + (section.number * args.ctas + share);
  if (unit.begin <= share_first) {
    to->first = item;
    to->begin = index;
  }
  if (unit.end >= share_end)
    to->end = index + 1;
}

/* Even shares: each piece is written by the thread of its unit, if it is the unit's first, or else by that of its share. */
__device__ __forceinline__ void share_section(const fi_plan_args &args, const Line &line, int number, int count) {
  const Section section = section_of(args, line, number, count);
  for (int share = section.shares + (int)threadIdx.x; share < args.ctas; share += kThreads)
    args.plan.shares[number * args.ctas + share].end = 0;
  for (int i = (int)threadIdx.x; i < line.tiles * section.heads; i += kThreads) {
    const Unit unit = unit_at(args, line, section, i);
    write_piece(args, line, section, unit, share_of(section, unit.begin));
  }
  for (int share = 1 + (int)threadIdx.x; share < section.shares; share += kThreads) {
    const Unit unit = unit_of_step(args, line, section, share_begin(section, share));
    if (unit.begin < share_begin(section, share))
      write_piece(args, line, section, unit, share);
  }
}

/* Fixed pieces: every step is an item with a partial of its own, unless it is all of its unit; shares are whole items. */
__device__ __forceinline__ void share_pieces(const fi_plan_args &args, const Line &line) {
  const Section section = section_of(args, line, 0, 1);
  for (int share = section.shares + (int)threadIdx.x; share < args.ctas; share += kThreads)
    args.plan.shares[share].end = 0;
  for (int step = (int)threadIdx.x; step < section.steps; step += kThreads) {
    const Unit unit = unit_of_step(args, line, section, step);
    fi_item item = item_of(args, line, section, unit, step, step + 1);
    if (unit.end - unit.begin > 1) {
      item.part = step * args.tile_rows;
      args.plan.parts[step] = item.part;
      if (step == unit.begin)
        write_unit(args, item, step, unit.end - unit.begin);
    }
    args.plan.items[step] = item;
    const int share = share_of(section, step);
    if (step == share_begin(section, share)) {
      args.plan.shares[share].first = item;
      args.plan.shares[share].begin = step;
      args.plan.shares[share].end = share_begin(section, share + 1);
    }
  }
}

/* Cuts the batch into shares; returns the number of sections. */
__device__ __forceinline__ int share_batch(const fi_plan_args &args) {
  extern __shared__ int shared[];
  int *tile_begin = shared;                     /* [requests + 1] first tile of each request */
  int *step_begin = shared + args.requests + 1; /* [tiles + 1] first step of each tile, on one head */
  const int tiles = prefix_sum(tile_begin, args.requests, [&](int request) { return tiles_of(args, request); });
  const int steps = prefix_sum(step_begin, tiles, [&](int tile) { return steps_of(args, tile_of(args, tile_begin, tile)); });
  const Line line = {tile_begin, step_begin, tiles, steps};
  if (args.split_steps > 0) {
    share_pieces(args, line);
    return 1;
  }
  const int sections = sections_of(args, line);
  for (int section = 0; section < sections; section++)
    share_section(args, line, section, sections);
  return sections;
}
