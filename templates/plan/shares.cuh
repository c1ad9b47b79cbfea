//@use plan/batch

/* Most partials of a unit that are not merged in groups. */
constexpr int kMostAtOnce = 40;

/* The tiles of the batch, and the line of their steps on one head. */
struct Line {
  int *tile_begin; /* [requests + 1] first tile of each request */
  int *step_begin; /* [tiles + 1] first step of each tile, on one head */
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
 * partials are worth more than the last CTAs. Short units are not cut at all where all SMs but a tenth have one then.
 * With several sections all have the same shares, however many heads they have, since a CTA's share of one leads to
 * that of the next.
 */
int shares_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (units == 0)
    return 0;
  const int most = min(args.ctas, max(1, section.steps / least_share(args, section, units)));
  constexpr int kShortShare = 160; /* steps */
  constexpr int kShortUnit = 32;
  if (section.count > 1 || section.steps > most * kShortShare ||
      line.steps != line.tiles * line.step_begin[1])
    return most;
  const int units_a_share = (units + most - 1) / most;
  const int even = units <= most ? most - most % units : units % units_a_share == 0 ? units / units_a_share : most;
  if (even <= most - most / 10)
    return most;
  const bool fills = units * args.sm_ctas >= args.ctas - args.ctas / 10;
  return fills && line.steps <= line.tiles * kShortUnit ? min(even, units) : even;
}

/* A section of some heads, whose line has so many steps on each, but for its shares. */
Section section_of_heads(int steps, int first_head, int heads) {
  Section section;
  section.number = 0;
  section.count = 1;
  section.first_head = first_head;
  section.heads = heads;
  section.steps = steps * heads;
  section.pieces = 0;
  section.shares = 0;
  section.shares_a_step = 0;
  section.cuts = nullptr;
  return section;
}

/* Gives a section its shares, whose cuts are or will be in `cuts`. */
void divide_section(Section &section, int shares, const int *cuts) {
  section.shares = shares;
  section.shares_a_step = (float)shares / (float)section.steps;
  section.cuts = cuts;
}

/* Where a share begins: an even part of the line. */
int even_cut(const Section &section, int share) {
  return share * (section.steps / section.shares) + min(share, section.steps % section.shares);
}

/*
 * Index of the item that is the piece of a unit in a share: u + c of the section for unit u in share c, since going
 * along the line u or c grows by one at every cut and at every unit's end.
 */
int item_index(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int share) {
  return section.first_head * line.tiles + section.number * args.ctas + unit.number + share;
}

//@if members
//@use plan/sections
//@else
/* Small tiles: all heads are one section. */
Section section_of(const fi_plan_args &args, const Line &line, const int *cuts, int number, int count) {
  Section section = section_of_heads(line.steps, 0, args.kv_heads);
  divide_section(section, shares_of(args, line, section), cuts);
  return section;
}

int sections_of(const fi_plan_args &args, const Line &line) {
  return 1;
}

/* Where a share begins: their units may be cut anywhere. */
int cut_of(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  return share < section.shares ? even_cut(section, share) : section.steps;
}

/* The CTA that has a share. */
int cta_of_share(const fi_plan_args &args, const Section &section, int share) {
  return share;
}

/* There is no section after this one. */
int item_after(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  return -1;
}
//@end

/* Finds a section's cuts, ctas + 1. All threads of the CTA take part. */
void cut_section(const fi_plan_args &args, const Line &line, const Section &section, int *cuts) {
  __syncthreads();
#pragma unroll 1
  for (int share = (int)threadIdx.x; share <= args.ctas; share += kThreads)
    cuts[share] = cut_of(args, line, section, share);
  __syncthreads();
}

/* The share that a step belongs to: found from where even cuts would be, which are not far from the real ones. */
int share_of(const Section &section, int step) {
  int share = min((int)((float)step * section.shares_a_step), section.shares - 1);
#pragma unroll 1
  while (section.cuts[share] > step)
    share--;
#pragma unroll 1
  while (section.cuts[share + 1] <= step)
    share++;
  return share;
}

/* Says of the CTAs without work that they have none. */
void close_empty_shares(const fi_plan_args &args, const Section &section) {
#pragma unroll 1
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    if (section.cuts[share] == section.cuts[share + 1])
      args.plan.first[cta_of_share(args, section, share)].row_count = 0;
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
  item.unit = args.first_unit + section.first_head * line.tiles + unit.number;
  item.next = -1;
  item.kv_len = tile.kv_len;
  return item;
}

/*
 * Says of a unit, which has the rows of `item`, where its partials lie, and that it waits for all of them. They are in
 * slots of partials from `slot` on, a slot in `step`.
 */
void write_unit(const fi_plan_args &args, const fi_item &item, int unit, int slot, int step, int count, int parent) {
  const int part = args.first_part + slot * args.tile_rows;
  args.plan.units[unit] = {
      item.row_begin, item.row_count, item.kv_head, part, step * args.tile_rows, count, -1, parent};
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
 * `unit_count` is how many units the batch has: after them come groups, by the slot of their first partial.
 */
void make_part(const fi_plan_args &args, fi_item &item, int unit_count, int slot, int piece, int count) {
  const int units = args.first_unit + unit_count;
  const int unit = item.unit;
  const int group = args.merges_together || args.fixed ? 1 : group_of(count);
  item.part = args.first_part + (slot + piece) * args.tile_rows;
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

/* What an item has of a unit: steps [begin, end) of the line, which lie in a share. */
struct Piece {
  Unit unit;
  int begin;
  int end;
  int share;
};

/* Pieces, or places where none is: fixed ones are of a step each; else they begin where units and shares do. */
int count_pieces(const fi_plan_args &args, const Line &line, const Section &section) {
  return args.fixed ? section.steps : line.tiles * section.heads + section.shares;
}

/*
 * Piece i: of even shares it is the first of unit i, or else what share i - units has first, unless a unit begins
 * there, too; that one is empty.
 */
Piece piece_at(const fi_plan_args &args, const Line &line, const Section &section, int i) {
  const int units = args.fixed ? 0 : line.tiles * section.heads;
  const int step = args.fixed ? i : i < units ? 0 : section.cuts[i - units];
  if (i >= units && step >= section.steps)
    return {{}, step, step, 0};
  const Unit unit = i < units ? unit_at(args, line, section, i) : unit_of_step(args, line, section, step);
  const int begin = i < units ? unit.begin : step;
  if (i >= units && !args.fixed && (step == unit.begin || step == section.cuts[i - units + 1]))
    return {unit, step, step, 0};
  const int share = share_of(section, begin);
  return {unit, begin, args.fixed ? step + 1 : min(unit.end, section.cuts[share + 1]), share};
}

/*
 * Says where the partial of a piece is. A unit that begins in share b has its partial of share c in slot b + c of the
 * section: its partials follow each other, and those of the next unit in pieces, which begins in its last share or
 * after it, come after them. Fixed pieces have slots of their own.
 */
void place_piece(const fi_plan_args &args, const Line &line, const Section &section, const Piece &piece,
                 fi_item &item) {
  const Unit &unit = piece.unit;
  const int first = args.fixed ? unit.begin : share_of(section, unit.begin);
  const int own = args.fixed ? piece.begin : piece.share;
  const int last = args.fixed ? unit.end - 1 : share_of(section, unit.end - 1);
  const int slot = args.fixed ? first : 2 * (section.number * args.ctas + first);
  make_part(args, item, line.tiles * args.kv_heads, slot, own - first, last - first + 1);
}

void write_piece(const fi_plan_args &args, const Line &line, const Section &section, const Piece &piece) {
  const Unit &unit = piece.unit;
  const int index = args.fixed ? piece.begin : item_index(args, line, section, unit, piece.share);
  fi_item item = item_of(args, line, section, unit, piece.begin, piece.end);
  if (unit.begin < piece.begin || piece.end < unit.end)
    place_piece(args, line, section, piece, item);
  item.next = piece.end < section.cuts[piece.share + 1] ? index + 1 : item_after(args, line, section, piece.share);
  args.plan.items[index] = item;
  if (section.number == 0 && piece.begin == section.cuts[piece.share])
    args.plan.first[cta_of_share(args, section, piece.share)] = item;
}

/* A thread writes a piece, if it is not empty. */
void write_pieces(const fi_plan_args &args, const Line &line, const Section &section) {
#pragma unroll 1
  for (int i = first_index(); i < count_pieces(args, line, section); i += kIndexStride) {
    const Piece piece = piece_at(args, line, section, i);
    if (piece.begin < piece.end)
      write_piece(args, line, section, piece);
  }
}

/* Cuts the plan's part of the batch into shares. */
void cut_batch(const fi_plan_args &args, const Line &line, int *cuts) {
  const int sections = sections_of(args, line);
#pragma unroll 1
  for (int number = 0; number < sections; number++) {
    const Section section = section_of(args, line, cuts, number, sections);
    cut_section(args, line, section, cuts);
    if (number == 0)
      close_empty_shares(args, section);
    write_pieces(args, line, section);
  }
}

/* Says of all CTAs that they have no work. */
void close_all_shares(const fi_plan_args &args) {
#pragma unroll 1
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    args.plan.first[share].row_count = 0;
}

/* Where the line of the batch is: in the room after the cuts, or in memory if shared memory has no room for it. */
Line room_of_line(const fi_plan_args &args, int *room) {
  Line line;
  line.tile_begin = args.tile_begin ? args.tile_begin : room;                      /* [requests + 1] */
  line.step_begin = args.tile_begin ? args.step_begin : room + args.requests + 1; /* [tiles + 1] */
  return line;
}

/*
 * Sums the tiles of requests, or the steps of tiles on one head. In shared memory each CTA sums all of them; in memory
 * each writes a part, and the sum is there when the launch has ended.
 */
void count_stage(const fi_plan_args &args, u32 members, const Line &line, int stage) {
  const bool of_steps = stage == FI_STAGE_STEPS;
  int *begin = of_steps ? line.step_begin : line.tile_begin;
  const int size = of_steps ? line.tile_begin[args.requests] : args.requests;
  const auto count = [&](int i) {
    return of_steps ? steps_of(args, tile_of(args, line.tile_begin, i)) : own_tiles_of(args, i, members);
  };
  const int cta = (int)(blockIdx.x % FI_PLAN_CTAS);
  const int part = args.tile_begin ? (size / kIndexStride + 1) * kThreads : size + 1;
  const int first = args.tile_begin ? cta * part : 0;
  const int total = prefix_sum_of_range(begin, first, min(size, first + part), count);
  if (first <= size && size < first + part && threadIdx.x == 0)
    begin[size] = total;
  __syncthreads();
}

/* Where every request has a tile, as in decoding, nothing is summed. */
void number_tiles(const fi_plan_args &args, const Line &line) {
#pragma unroll 1
  for (int request = (int)threadIdx.x; request <= args.requests; request += kThreads)
    line.tile_begin[request] = first_token(args, request);
  __syncthreads();
}

/* Finds the line of the batch, or what a stage of its own finds of it. */
void count_line(const fi_plan_args &args, u32 members, const Line &line, int stage) {
  const bool numbered = has_tile_each(args) && stage == FI_STAGE_SHARE;
  if (numbered)
    number_tiles(args, line);
  const int first = numbered ? FI_STAGE_STEPS : stage == FI_STAGE_SHARE ? FI_STAGE_TILES : stage;
  const int last = stage == FI_STAGE_SHARE ? FI_STAGE_STEPS : stage;
#pragma unroll 1
  for (int s = first; s <= last; s++)
    count_stage(args, members, line, s);
}
