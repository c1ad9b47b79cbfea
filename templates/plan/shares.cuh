//@use plan/batch

/* Most partials of a unit that are not merged in groups. */
constexpr int kMostAtOnce = 40;

/* The tiles of the batch, and the line of their steps on one head. */
struct Line {
  const int *tile_begin;
  const int *step_begin;
  int tiles;
  int steps;
};

/*
 * Some of the heads, and the line of all their units' steps, cut into shares: CTA s has steps cuts[s] .. cuts[s + 1].
 */
struct Section {
  int number;
  int count; /* of sections */
  int first_head;
  int heads;
  int steps;
  int shares; /* the CTAs after them have none */
  int pieces; /* shares of each unit, where all that are as long as the first begin and end with shares; else 0 */
  float shares_a_step;
  const int *cuts;
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
 * The first of the elements that this thread of the grid works on, and the way to its next one. Consecutive warps of
 * elements go to different CTAs, since it is their scattered writes that take time.
 */
int first_index() {
  return (int)((warp() * FI_PLAN_CTAS + blockIdx.x % FI_PLAN_CTAS) * 32 + lane());
}

constexpr int kIndexStride = FI_PLAN_CTAS * kThreads;

/*
 * Sections are groups of KV heads that fit in L2: the CTAs of a launch work on one group at a time, so that
 * tiles of the same head find it there.
 */
int sections_wanted(const fi_plan_args &args, const Line &line) {
  __shared__ int kv_steps;
  if (threadIdx.x == 0)
    kv_steps = 0;
  __syncthreads();
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    if (line.tile_begin[request + 1] > line.tile_begin[request])
      atomicAdd(&kv_steps, kv_len_of(args, request) / args.step_tokens);
  __syncthreads();
  const int kv_heads = args.kv_heads / args.head_tiles;
  return max(1, min(kv_steps * kv_heads / args.section_steps, kv_heads));
}

/*
 * Sections of shares. Batches of few rows read everything once and have one, as have batches so small that more cuts
 * would cost more than they save.
 */
int sections_of(const fi_plan_args &args, const Line &line) {
  if (args.max_sections == 1)
    return 1;
  constexpr int kLeastPieces = 16; /* of a share in a section */
  const int worth = line.steps * args.kv_heads / (args.ctas * args.least_piece * kLeastPieces);
  return max(1, min(min(sections_wanted(args, line), worth), args.max_sections));
}

/*
 * The order of units. Where tiles of a head share its KV, and where heads share a line of memory, all tiles of a head
 * follow each other, so that the CTAs of several heads are at the same tokens at a time; else all heads of a tile do.
 */
Unit unit_of(const fi_plan_args &args, const Line &line, const Section &section, int tile, int head) {
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  Unit unit;
  unit.tile = tile;
  unit.head = head;
  if (args.heads_apart) {
    unit.number = head * line.tiles + tile;
    unit.begin = head * line.steps + line.step_begin[tile];
  } else {
    unit.number = tile * section.heads + head;
    unit.begin = line.step_begin[tile] * section.heads + head * steps;
  }
  unit.end = unit.begin + steps;
  return unit;
}

Unit unit_at(const fi_plan_args &args, const Line &line, const Section &section, int number) {
  if (args.heads_apart)
    return unit_of(args, line, section, number % line.tiles, number / line.tiles);
  return unit_of(args, line, section, number / section.heads, number % section.heads);
}

/* The unit that a step belongs to. */
Unit unit_of_step(const fi_plan_args &args, const Line &line, const Section &section, int step) {
  if (args.heads_apart)
    return unit_of(args, line, section, find_last(line.step_begin, line.tiles, step % line.steps), step / line.steps);
  const int tile = find_last(line.step_begin, line.tiles, step / section.heads);
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  return unit_of(args, line, section, tile, (step - line.step_begin[tile] * section.heads) / steps);
}

/*
 * Where a share begins if units are cut into as many pieces each: where the unit does, or after an even part of its KV.
 * All CTAs then are at the same tokens at a time whose units have the same KV. Units that are not as long as the first
 * are cut at even parts of the line.
 */
int cut_of_piece(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  const int number = share / section.pieces;
  const int piece = share % section.pieces;
  const int steps = line.step_begin[1];
  const Unit unit = unit_at(args, line, section, number);
  if (unit.begin != number * steps || unit.end - unit.begin != steps)
    return (int)((long long)share * section.steps / section.shares);
  if (piece == 0)
    return unit.begin;
  return unit.begin + args.unit_steps + (int)((long long)piece * (steps - args.unit_steps) / section.pieces);
}

/*
 * Where a share begins: an even part of the line, or the end of the unit there when that is nearer than the least
 * piece, which would not be worth its partial result. Where shares are small, so is what is worth a partial: half of
 * one, but more than what a unit costs besides its KV.
 */
int cut_of(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  if (share >= section.shares)
    return section.steps;
  if (section.pieces > 0)
    return cut_of_piece(args, line, section, share);
  const int whole = section.steps / section.shares;
  const int cut = share * whole + min(share, section.steps % section.shares);
  if (args.least_piece == 1)
    return cut;
  const int least_piece = max(args.unit_steps + 1, min(args.least_piece, whole / 2));
  const Unit unit = unit_of_step(args, line, section, cut);
  const int before = cut - unit.begin;
  const int after = unit.end - cut;
  if (before >= least_piece && after >= least_piece)
    return cut;
  return before <= after ? unit.begin : unit.end;
}

/*
 * Steps of a share at least. In small batches some CTAs are left out: one CTA merges all pieces of a unit, which takes
 * longer with each, so that units are cut into so many pieces only that each is of a few steps; or, if these are enough
 * to be merged in groups, as finely as can be.
 */
int least_share(const fi_plan_args &args, const Section &section, int units) {
  constexpr int kFewPieces = 8;
  if (min(args.ctas, section.steps) > kMostAtOnce * units)
    return 1;
  return max(1, min(args.share_steps, section.steps / (units * kFewPieces)));
}

/*
 * Shares of a section: one a CTA. Where units are on average as long as the first, as in most steps of decoding, and
 * shares are short, up to a tenth fewer, if each share then is some whole units or each unit some whole shares: fewer
 * partials are worth more than the last CTAs. With several sections all have the same shares, however many heads they
 * have, since a CTA's share of one leads to that of the next.
 */
int shares_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (units == 0)
    return 0;
  const int most = min(args.ctas, max(1, section.steps / least_share(args, section, units)));
  constexpr int kShortShare = 160; /* steps */
  if (section.count > 1 || section.steps > most * kShortShare ||
      line.steps != line.tiles * line.step_begin[1])
    return most;
  const int units_a_share = (units + most - 1) / most;
  const int even = units <= most ? most - most % units : units % units_a_share == 0 ? units / units_a_share : most;
  return even > most - most / 10 ? even : most;
}

/*
 * Shares of each unit: of those that there are for it so many that the longest is as long as with all of them. Only
 * where its partials are merged by all of its CTAs.
 */
int pieces_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (!args.merges_together || section.count > 1 || units == 0 || units > args.ctas / 2 ||
      line.steps != line.tiles * line.step_begin[1])
    return 0;
  const int steps = line.step_begin[1] - args.unit_steps;
  const int longest = (steps + args.ctas / units - 1) / (args.ctas / units);
  return (steps + longest - 1) / max(1, longest);
}

/* Section `number` of `count`, whose cuts are or will be in `cuts`. */
Section section_of(const fi_plan_args &args, const Line &line, const int *cuts, int number, int count) {
  Section section;
  section.number = number;
  section.count = count;
  const int kv_heads = args.kv_heads / args.head_tiles;
  section.first_head = number * kv_heads / count * args.head_tiles;
  section.heads = (number + 1) * kv_heads / count * args.head_tiles - section.first_head;
  section.steps = line.steps * section.heads;
  section.pieces = pieces_of(args, line, section);
  section.shares = section.pieces > 0 ? section.pieces * line.tiles * section.heads : shares_of(args, line, section);
  section.shares_a_step = (float)section.shares / (float)section.steps;
  section.cuts = cuts;
  return section;
}

/* Finds a section's cuts, ctas + 1. All threads of the CTA take part. */
void cut_section(const fi_plan_args &args, const Line &line, const Section &section, int *cuts) {
  __syncthreads();
  for (int share = (int)threadIdx.x; share <= args.ctas; share += kThreads)
    cuts[share] = cut_of(args, line, section, share);
  __syncthreads();
}

/* The share that a step belongs to: found from where even cuts would be, which are not far from the real ones. */
int share_of(const Section &section, int step) {
  int share = min((int)((float)step * section.shares_a_step), section.shares - 1);
  while (section.cuts[share] > step)
    share--;
  while (section.cuts[share + 1] <= step)
    share++;
  return share;
}

/* Says of the CTAs without work that they have none. */
void close_empty_shares(const fi_plan_args &args, const Section &section) {
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    if (section.cuts[share] == section.cuts[share + 1])
      args.plan.first[share].row_count = 0;
}

/* The item of steps [begin, end) of a unit. */
fi_item item_of(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int begin,
                int end) {
  const Tile tile = tile_of(args, line.tile_begin, unit.tile);
  fi_item item;
  item.kv_base = tile.kv_base;
  item.kv_head = section.first_head + unit.head;
  const int first = first_of_steps(args, tile);
  const int before = -unit.begin - args.unit_steps;
  item.kv_begin = max(tile.kv_begin, first + (begin + before) * args.step_tokens);
  const int kv_end = min(tile.kv_end, (int)min(0x7fffffffll, first + (end + before) * (long long)args.step_tokens));
  item.kv_end = max(item.kv_begin, kv_end);
  const fi_interval inner = inner_of(args, tile, item.kv_begin, item.kv_end);
  item.inner_begin = inner.first;
  item.inner_end = inner.end;
  item.row_begin = tile.first;
  item.row_count = (unsigned short)tile.count;
  item.unit_count = 1;
  item.part = -1;
  item.unit = section.first_head * line.tiles + unit.number;
  item.next = -1;
  item.kv_len = tile.kv_len;
  return item;
}

/*
 * Says of a unit, which has the rows of `item`, where its partials lie, and that it waits for all of them. They are in
 * slots of partials from `slot` on, a slot in `step`.
 */
void write_unit(const fi_plan_args &args, const fi_item &item, int unit, int slot, int step, int count, int parent) {
  args.plan.units[unit] = {item.row_begin,        item.row_count, item.kv_head, slot * args.tile_rows,
                           step * args.tile_rows, count,          -1,           parent};
  args.plan.arrivals[unit] = count;
}

/*
 * How many of a unit's partials are merged as a group. One CTA merges a unit, and a partial after the other takes it
 * longer than groups on several CTAs at a time and one more arrival.
 */
int group_of(int part_count) {
  return part_count <= kMostAtOnce ? 1 : part_count <= 64 ? 8 : 16;
}

/*
 * Makes an item the piece `piece` of the `count` pieces of its unit, whose partials lie in slots from `slot` on.
 * `units` is how many units the batch has: after them come groups, by the slot of their first partial.
 */
void make_part(const fi_plan_args &args, fi_item &item, int units, int slot, int piece, int count) {
  const int unit = item.unit;
  const int group = args.merges_together ? 1 : group_of(count);
  item.part = (slot + piece) * args.tile_rows;
  if (piece == 0)
    write_unit(args, item, unit, slot, group, (count + group - 1) / group, args.merges_together ? units + slot + 1 : 0);
  if (piece == 0 && args.merges_together)
    args.plan.arrivals[units + slot] = 0;
  if (group == 1)
    return;
  const int before = piece / group * group;
  item.unit = units + slot + before;
  if (piece == before)
    write_unit(args, item, item.unit, slot + before, 1, min(group, count - before), unit + 1);
}

/*
 * Index of the item that is the piece of a unit in a share: u + c of the section for unit u in share c, since going
 * along the line u or c grows by one at every cut and at every unit's end.
 */
int item_index(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int share) {
  return section.first_head * line.tiles + section.number * args.ctas + unit.number + share;
}

/*
 * Index of a CTA's first item in the section after this one; -1 if there is none. Shares of several sections are
 * several times the least piece (sections_of), so that none is empty.
 */
int item_after(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  if (section.number + 1 == section.count)
    return -1;
  const Section next = section_of(args, line, nullptr, section.number + 1, section.count);
  const Unit unit = unit_of_step(args, line, next, cut_of(args, line, next, share));
  return item_index(args, line, next, unit, share);
}

/*
 * Writes the piece of a unit that lies in a share. A unit that begins in share b has its partial of share c in slot
 * b + c of the section: its partials follow each other, and those of the next unit in pieces, which begins in its last
 * share or after it, come after them.
 */
void write_piece(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int share) {
  const int share_begin = section.cuts[share];
  const int share_end = section.cuts[share + 1];
  const int index = item_index(args, line, section, unit, share);
  fi_item item = item_of(args, line, section, unit, max(unit.begin, share_begin), min(unit.end, share_end));
  if (unit.begin < share_begin || unit.end > share_end) {
    const int first = unit.begin < share_begin ? share_of(section, unit.begin) : share;
    const int last = unit.end > share_end ? share_of(section, unit.end - 1) : share;
    const int slot = 2 * (section.number * args.ctas + first);
    make_part(args, item, line.tiles * args.kv_heads, slot, share - first, last - first + 1);
  }
  item.next = unit.end < share_end ? index + 1 : item_after(args, line, section, share);
  args.plan.items[index] = item;
  if (section.number == 0 && unit.begin <= share_begin)
    args.plan.first[share] = item;
}

/*
 * Even shares: a piece is written by the thread of its unit, if it is the unit's first, or else by that of its
 * share.
 */
void write_shares(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  for (int i = first_index(); i < units + section.shares; i += kIndexStride) {
    const int cut = i < units ? 0 : section.cuts[i - units];
    if (i >= units && cut == section.cuts[i - units + 1])
      continue;
    const Unit unit = i < units ? unit_at(args, line, section, i) : unit_of_step(args, line, section, cut);
    if (i < units || unit.begin < cut)
      write_piece(args, line, section, unit, i < units ? share_of(section, unit.begin) : i - units);
  }
}

/*
 * Fixed pieces: every step is an item with a partial of its own, unless it is all of its unit; shares are whole
 * items.
 */
void write_fixed_pieces(const fi_plan_args &args, const Line &line, const Section &section) {
  for (int step = first_index(); step < section.steps; step += kIndexStride) {
    const Unit unit = unit_of_step(args, line, section, step);
    fi_item item = item_of(args, line, section, unit, step, step + 1);
    if (unit.end - unit.begin > 1) {
      item.part = step * args.tile_rows;
      if (step == unit.begin)
        write_unit(args, item, item.unit, step, 1, unit.end - unit.begin, 0);
    }
    const int share = share_of(section, step);
    item.next = step + 1 < section.cuts[share + 1] ? step + 1 : -1;
    args.plan.items[step] = item;
    if (step == section.cuts[share])
      args.plan.first[share] = item;
  }
}

/* The batch's tiles and their steps, in the room after the cuts or from the stages before this one. */
Line line_of(const fi_plan_args &args, u32 members, int *room) {
  if (args.tile_begin) {
    const int tiles = args.tile_begin[args.requests];
    return {args.tile_begin, args.step_begin, tiles, args.step_begin[tiles]};
  }
  int *tile_begin = room;                           /* [requests + 1] first tile of each request */
  int *step_begin = tile_begin + args.requests + 1; /* [tiles + 1] first step of each tile, on one head */
  const auto count_tiles = [&](int request) { return own_tiles_of(args, request, members); };
  const auto count_steps = [&](int tile) { return steps_of(args, tile_of(args, tile_begin, tile)); };
  const int tiles = prefix_sum(tile_begin, args.requests, count_tiles);
  const int steps = prefix_sum(step_begin, tiles, count_steps);
  return {tile_begin, step_begin, tiles, steps};
}

/* Says of all CTAs that they have no work. */
void close_all_shares(const fi_plan_args &args) {
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    args.plan.first[share].row_count = 0;
}

/* Cuts the plan's part of the batch into shares. */
void cut_batch(const fi_plan_args &args, const Line &line, int *cuts) {
  const int sections = sections_of(args, line);
  for (int number = 0; number < sections; number++) {
    const Section section = section_of(args, line, cuts, number, sections);
    cut_section(args, line, section, cuts);
    if (number == 0)
      close_empty_shares(args, section);
    if (args.fixed)
      write_fixed_pieces(args, line, section);
    else
      write_shares(args, line, section);
  }
}

/* The stages that find the line of a batch which shared memory does not hold. */
void count_tiles(const fi_plan_args &args, u32 members) {
  prefix_sum_by_all(args.tile_begin, args.requests, [&](int request) { return own_tiles_of(args, request, members); });
}

void count_steps(const fi_plan_args &args) {
  const int tiles = args.tile_begin[args.requests];
  prefix_sum_by_all(args.step_begin, tiles,
                    [&](int tile) { return steps_of(args, tile_of(args, args.tile_begin, tile)); });
}
