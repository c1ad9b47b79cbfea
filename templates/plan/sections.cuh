//# Tiles of 64 rows and more: sections of heads, and cuts that are worth their partial results.

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
 * Whether units are not cut, of which there are not more than CTAs: where the longest is hardly longer than an even
 * share, partials would take longer than the steps that cuts save.
 */
bool stay_whole(const fi_plan_args &args, const Line &line, const Section &section) {
  constexpr int kWorth = 4; /* steps */
  const int even = section.steps / args.ctas;
  int longest = 0;
  for (int tile = 0; tile < line.tiles; tile++)
    longest = max(longest, line.step_begin[tile + 1] - line.step_begin[tile]);
  return longest - even <= min(kWorth, longest / 8);
}

/*
 * Shares of each unit: one where they stay whole; else of those that there are for it so many that the longest is as
 * long as with all of them, where its partials are merged by all of its CTAs; 0: units and shares end anywhere.
 */
int pieces_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (section.count > 1 || units == 0 || units > args.ctas)
    return 0;
  if (args.max_sections > 1 && stay_whole(args, line, section))
    return 1;
  if (!args.merges_together || units > args.ctas / 2 || line.steps != line.tiles * line.step_begin[1])
    return 0;
  const int steps = line.step_begin[1] - args.unit_steps;
  const int longest = (steps + args.ctas / units - 1) / (args.ctas / units);
  return (steps + longest - 1) / max(1, longest);
}

/* Section `number` of `count`, whose cuts are or will be in `cuts`. */
Section section_of(const fi_plan_args &args, const Line &line, const int *cuts, int number, int count) {
  const int kv_heads = args.kv_heads / args.head_tiles;
  const int first_head = number * kv_heads / count * args.head_tiles;
  const int heads = (number + 1) * kv_heads / count * args.head_tiles - first_head;
  Section section = section_of_heads(line.steps, first_head, heads);
  section.number = number;
  section.count = count;
  section.pieces = pieces_of(args, line, section);
  const int shares =
      section.pieces > 0 ? section.pieces * line.tiles * section.heads : shares_of(args, line, section);
  divide_section(section, shares, cuts);
  return section;
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
  if (section.pieces == 1)
    return unit.begin;
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
  const int cut = even_cut(section, share);
  if (args.least_piece == 1)
    return cut;
  const int least_piece = max(args.unit_steps + 1, min(args.least_piece, section.steps / section.shares / 2));
  const Unit unit = unit_of_step(args, line, section, cut);
  const int before = cut - unit.begin;
  const int after = unit.end - cut;
  if (before >= least_piece && after >= least_piece)
    return cut;
  return before <= after ? unit.begin : unit.end;
}

/*
 * The CTA that has a share: that of its number, but where tiles divide the query heads of a KV head. Then the shares of
 * these, which are at the same tokens, are of CTAs next to each other: what one has fetched is near to the others.
 */
int cta_of_share(const fi_plan_args &args, const Section &section, int share) {
  if (args.head_tiles == 1 || share >= section.shares || section.shares % section.heads > 0)
    return share;
  const int shares = section.shares / section.heads; /* of a tile of heads */
  const int head = share / shares;
  return (head / args.head_tiles * shares + share % shares) * args.head_tiles + head % args.head_tiles;
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
