//@use plan/shares
//@use plan/prefix_tree

//# Batches whose requests share prefixes are cut into items like others, but for what a block is.
//#
//# A unit is an element of the tree on one head. The units of a block on one head follow each other on the line, then
//# come those of the block on the next head. An item of a branch has rows of several requests; its partial result is
//# one of those of each of them. All partials of a block on a head lie in layers, a row of the block always at the
//# same place: the pieces of a branch have the layers after those of the branches around it, and those of a leaf are
//# the last. So the partials of a tile are consecutive layers in the order of its KV, as they would be if it shared
//# nothing.

/* An element on one head. */
struct TreeUnit {
  int element;
  int member; /* the kernel that has it */
  int head;
  int number; /* among all, with those that have no steps */
  int block;  /* first tile of its block */
  int tiles;  /* of the block */
  int block_begin; /* first step on the kernel's line of the block on this head */
  int begin;
  int end;
};

TreeUnit unit_in_block(const fi_plan_args &args, const Tree &tree, const Run &of, int member, int head, int element) {
  const int *step_begin = steps_of_member(tree, member);
  const int block = of.first;
  const int tiles = of.end - of.first;
  const int first = step_begin[2 * block];
  const int steps = step_begin[2 * of.end] - first;
  TreeUnit unit;
  unit.element = element;
  unit.member = member;
  unit.head = head;
  unit.number = 2 * (block * args.kv_heads + head * tiles) + element - 2 * block;
  unit.block = block;
  unit.tiles = tiles;
  unit.block_begin = first * args.kv_heads + head * steps;
  unit.begin = unit.block_begin + step_begin[element] - first;
  unit.end = unit.block_begin + step_begin[element + 1] - first;
  return unit;
}

/* The unit by its number, for the plan's kernel. */
TreeUnit tree_unit_at(const fi_plan_args &args, const Tree &tree, int number) {
  const int tile = number / 2 / args.kv_heads; /* some tile of the block */
  const Run block = block_of(tree, tile);
  const int elements = 2 * (block.end - block.first); /* on a head */
  const int within = number - 2 * block.first * args.kv_heads;
  return unit_in_block(args, tree, block, args.member, within / elements, 2 * block.first + within % elements);
}

/* The unit that a step of a kernel belongs to. */
TreeUnit tree_unit_of_step(const fi_plan_args &args, const Tree &tree, int member, int step) {
  const int *step_begin = steps_of_member(tree, member);
  const int tile = find_last(step_begin, 2 * tree.tiles, step / args.kv_heads) / 2; /* some tile of the block */
  const Run block = block_of(tree, tile);
  const int first = step_begin[2 * block.first];
  const int steps = step_begin[2 * block.end] - first;
  const int within = step - first * args.kv_heads;
  const int element = find_last(step_begin, 2 * tree.tiles, first + within % steps);
  return unit_in_block(args, tree, block, member, within / steps, element);
}

/* Of what both take alone the first kernel takes so much less beside the last. */
constexpr float kBeside = 1.1f;

/* CTAs that a kernel has work for: in short batches both are side by side, and are to end together. */
int ctas_with_work(const fi_plan_args &args, const Tree &tree, int member) {
  const fi_member first = member_of(args, 0);
  const fi_member last = member_of(args, last_member(args));
  const int of_first = steps_of_member(tree, 0)[2 * tree.tiles];
  const int of_last = steps_of_member(tree, last_member(args))[2 * tree.tiles];
  const float by_first = (float)of_first * (float)first.step_tokens * first.token_cost;
  const float by_last = (float)of_last * (float)last.step_tokens * last.token_cost;
  if (last_member(args) == 0 || of_first == 0 || of_last == 0 || by_first + by_last > kMostDivided * last.launch_cost)
    return member_of(args, member).ctas;
  const int ctas = (int)((float)last.ctas * by_last / (by_first / kBeside + by_last) + 0.5f);
  const int ctas_of_last = max(1, min(ctas, last.ctas - 1));
  return member > 0 ? ctas_of_last : max(1, first.ctas * (last.ctas - ctas_of_last) / last.ctas);
}

/* What the kernels have, cut into even shares. */
struct Sections {
  Section first;
  Section last;
};

Section of_member(const Sections &sections, int member) {
  return member > 0 ? sections.last : sections.first;
}

/* All steps of a kernel, whose cuts are or will be in `cuts`. */
Section section_of_tree(const fi_plan_args &args, const Tree &tree, const int *cuts, int member) {
  Section section = section_of_heads(steps_of_member(tree, member)[2 * tree.tiles], 0, args.kv_heads);
  divide_section(section, min(ctas_with_work(args, tree, member), section.steps), cuts);
  return section;
}

/* Where a share begins: as cut_of of a line. */
int cut_of_tree(const fi_plan_args &args, const Tree &tree, const Section &section, int member, int share) {
  if (share >= section.shares)
    return section.steps;
  const int cut = even_cut(section, share);
  const int unit_steps = member_of(args, member).unit_steps;
  if (unit_steps == 0)
    return cut;
  const TreeUnit unit = tree_unit_of_step(args, tree, member, cut);
  const int before = cut - unit.begin;
  const int after = unit.end - cut;
  if (before > unit_steps && after > unit_steps)
    return cut;
  return before <= after ? unit.begin : unit.end;
}

/* Finds the cuts of a kernel. */
void cut_tree(const fi_plan_args &args, const Tree &tree, const Section &section, int member, int *cuts) {
  for (int share = (int)threadIdx.x; share <= member_of(args, member).ctas; share += kThreads)
    cuts[share] = cut_of_tree(args, tree, section, member, share);
}

Sections cut_all(const fi_plan_args &args, const Tree &tree, int *cuts) {
  int *const of_last = cuts + (last_member(args) > 0 ? member_of(args, 0).ctas + 1 : 0);
  const Section first = section_of_tree(args, tree, cuts, 0);
  const Section last = section_of_tree(args, tree, of_last, last_member(args));
  cut_tree(args, tree, first, 0, cuts);
  if (last_member(args) > 0)
    cut_tree(args, tree, last, 1, of_last);
  __syncthreads();
  return {first, last};
}

/* Pieces of a unit: fixed ones, or one in each of its shares. */
int pieces_of(const fi_plan_args &args, const Tree &tree, const Sections &sections, const TreeUnit &unit) {
  if (args.fixed)
    return unit.end - unit.begin;
  const Section section = of_member(sections, unit.member);
  return share_of(section, unit.end - 1) - share_of(section, unit.begin) + 1;
}

/* Layers of a block that the branches around an element have. */
int layers_around(const fi_plan_args &args, const Tree &tree, const Sections &sections, const TreeUnit &unit,
                  Branch branch) {
  int layers = 0;
  while (unit.tiles > 1 && branch.kv_begin > 0) {
    branch = parent_of(tree, branch);
    const int element = element_of(tree.depth, branch);
    const int member = member_of_rows(args, tokens_of(tree, branch));
    const Run block = {(u16)unit.block, (u16)(unit.block + unit.tiles)};
    layers += pieces_of(args, tree, sections, unit_in_block(args, tree, block, member, unit.head, element));
  }
  return layers;
}

/* Shares of all kernels that end before a block on a head or begin in front of it. */
int shares_before(const fi_plan_args &args, const Tree &tree, const Sections &sections, const TreeUnit &unit) {
  int shares = 0;
  for (int m = 0; m <= last_member(args); m++) {
    const Section section = of_member(sections, m);
    const Run block = {(u16)unit.block, (u16)(unit.block + unit.tiles)};
    const int begin = unit_in_block(args, tree, block, m, unit.head, unit.element).block_begin;
    shares += begin < section.steps ? share_of(section, begin) : section.shares;
  }
  return shares;
}

/*
 * The first row of partials of the layers of a block on a head. Fixed pieces have as many layers as steps at most. Of
 * even shares those of all blocks lie after the partials that write_piece has: a tile is in fewer branches than its
 * block has tiles, so that all it is in has no more layers than the block has tiles and cuts on the head.
 */
int first_layer(const fi_plan_args &args, const Tree &tree, const Sections &sections, const TreeUnit &unit) {
  const fi_member last = member_of(args, last_member(args));
  if (args.fixed)
    return unit.block_begin * last.tile_rows;
  const int before = shares_before(args, tree, sections, unit);
  return (2 * last.ctas + unit.block * args.kv_heads + unit.head * unit.tiles + before) * last.tile_rows;
}

/* The KV and the rows of an element. */
struct Extent {
  Branch branch;
  Tile tile; /* its first one; of a branch with the rows of all, which see all of its KV */
  int first; /* where the steps begin */
};

/* Tiles that share are all of their requests, so that the rows of a branch are those of consecutive places. */
Extent extent_of(const fi_plan_args &args, const Tree &tree, int element) {
  const bool is_leaf = element % 2 == 1;
  Extent extent;
  if (!is_leaf)
    extent.branch = branch_before(tree, element / 2);
  const int first = is_leaf ? element / 2 : extent.branch.first;
  extent.tile = tile_in_tree(args, tree, first);
  if (is_leaf) {
    extent.branch = leaf_of(tree.depth, first, extent.tile);
    extent.first = extent.branch.kv_begin / args.start_tokens * args.start_tokens;
    return extent;
  }
  extent.tile.count = tokens_of(tree, extent.branch);
  extent.tile.inner_begin = 0;
  extent.tile.inner_end = extent.branch.kv_end;
  extent.first = extent.branch.kv_begin;
  return extent;
}

/* The item of steps [begin, end) of a unit. */
fi_item tree_item(const fi_plan_args &args, const TreeUnit &unit, const Extent &extent, int begin, int end) {
  const int before = -unit.begin - args.unit_steps;
  const long long kv_end = extent.first + (end + before) * (long long)args.step_tokens;
  const Branch &branch = extent.branch;
  fi_item item;
  item.kv_base = extent.tile.kv_base;
  item.kv_head = unit.head;
  item.kv_begin = max(branch.kv_begin, extent.first + (begin + before) * args.step_tokens);
  item.kv_end = max(item.kv_begin, (int)min((long long)branch.kv_end, kv_end));
  item.inner_begin = max(item.kv_begin, extent.tile.inner_begin);
  item.inner_end = min(item.kv_end, extent.tile.inner_end);
  item.row_begin = extent.tile.first;
  item.row_count = (unsigned short)extent.tile.count;
  item.unit_count = (unsigned short)(branch.end - branch.first);
  item.part = -1;
  item.unit = unit.block * args.kv_heads + unit.head * unit.tiles + branch.first - unit.block;
  item.next = -1;
  item.kv_len = extent.tile.kv_len;
  return item;
}

/*
 * A leaf's first piece tells of its tile. Two kernels merge layers from the last one on: the stride, which is that of
 * larger tiles, would be one of groups to the first.
 */
void write_tree_unit(const fi_plan_args &args, const Tree &tree, const TreeUnit &unit, const fi_item &item, int layer,
                     int count) {
  const int row = (item.row_begin - row_of_tile(args, tree, unit.block)) * args.group;
  const int stride = member_of(args, last_member(args)).tile_rows;
  const bool turned = last_member(args) > 0;
  args.plan.units[item.unit] = {item.row_begin,
                                item.row_count,
                                item.kv_head,
                                layer + row + (turned ? (count - 1) * stride : 0),
                                turned ? -stride : stride,
                                count,
                                -1,
                                0};
  args.plan.arrivals[item.unit] = count;
}

/* Gives piece `piece` of a unit its place among the partials. */
void place_piece(const fi_plan_args &args, const Tree &tree, const Sections &sections, const TreeUnit &unit,
                 const Extent &extent, fi_item &item, int piece) {
  const int pieces = pieces_of(args, tree, sections, unit);
  if (unit.tiles == 1 && pieces == 1)
    return;
  if (unit.tiles == 1 && !args.fixed) {
    const int slot = 2 * share_of(of_member(sections, args.member), unit.begin);
    return make_part(args, item, tree.tiles * args.kv_heads, slot, piece, pieces);
  }
  const int around = layers_around(args, tree, sections, unit, extent.branch);
  const int first = first_layer(args, tree, sections, unit);
  item.part = first + (around + piece) * member_of(args, last_member(args)).tile_rows;
  if (unit.element % 2 == 1 && piece == 0)
    write_tree_unit(args, tree, unit, item, first, around + pieces);
}

/* Steps of a unit that are one item. */
struct TreePiece {
  TreeUnit unit;
  int begin;
  int end;    /* at begin: there is no such piece */
  int share;
  int number; /* among the unit's pieces */
  int index;  /* of the item */
};

int count_pieces(const fi_plan_args &args, const Tree &tree, const Section &section) {
  return args.fixed ? section.steps : 2 * tree.tiles * args.kv_heads + section.shares;
}

/*
 * Piece i: a step, where pieces are fixed. Of even shares the first pieces of all units come first, then those at the
 * beginnings of shares where no unit begins.
 */
TreePiece tree_piece(const fi_plan_args &args, const Tree &tree, const Section &section, int i) {
  const int units = args.fixed ? 0 : 2 * tree.tiles * args.kv_heads;
  const int step = args.fixed ? i : i < units ? 0 : section.cuts[i - units];
  const bool is_first = i < units;
  TreePiece piece;
  piece.unit = is_first ? tree_unit_at(args, tree, i) : tree_unit_of_step(args, tree, args.member, step);
  const TreeUnit &unit = piece.unit;
  piece.begin = is_first ? unit.begin : step;
  piece.end = piece.begin;
  if (!args.fixed && (is_first ? unit.begin == unit.end : step == unit.begin || step == section.cuts[i - units + 1]))
    return piece;
  piece.share = share_of(section, piece.begin);
  piece.end = args.fixed ? step + 1 : min(unit.end, section.cuts[piece.share + 1]);
  piece.number = args.fixed ? step - unit.begin : piece.share - share_of(section, unit.begin);
  piece.index = args.fixed ? step : unit.number + piece.share;
  return piece;
}

/* Index of the item after a piece in its share; -1 if there is none. */
int item_after_piece(const fi_plan_args &args, const Tree &tree, const Section &section, const TreePiece &piece) {
  if (piece.end == section.cuts[piece.share + 1])
    return -1;
  return args.fixed ? piece.end : tree_unit_of_step(args, tree, args.member, piece.end).number + piece.share;
}

/* Writes the items of all units of the plan's kernel. */
void write_tree_items(const fi_plan_args &args, const Tree &tree, const Sections &sections) {
  const Section section = of_member(sections, args.member);
  for (int i = first_index(); i < count_pieces(args, tree, section); i += kIndexStride) {
    const TreePiece piece = tree_piece(args, tree, section, i);
    if (piece.begin == piece.end)
      continue;
    const Extent extent = extent_of(args, tree, piece.unit.element);
    fi_item item = tree_item(args, piece.unit, extent, piece.begin, piece.end);
    place_piece(args, tree, sections, piece.unit, extent, item, piece.number);
    item.next = item_after_piece(args, tree, section, piece);
    args.plan.items[piece.index] = item;
    if (piece.begin == section.cuts[piece.share])
      args.plan.first[piece.share] = item;
  }
}

/* Cuts a batch that shares prefixes into shares. */
void share_tree(const fi_plan_args &args, const Tree &tree, int *cuts) {
  const Sections sections = cut_all(args, tree, cuts);
  const Section section = of_member(sections, args.member);
  if (section.steps == 0)
    return close_all_shares(args);
  close_empty_shares(args, section);
  write_tree_items(args, tree, sections);
}

/* The row of a query token, and its record. Those that belong to nobody stay where they are. */
int row_in_tree(const fi_plan_args &args, const Tree &tree, int token) {
  if (token < first_token(args, 0))
    return token;
  const int request = request_of(args, token);
  return tree.row_begin[tree.place[request]] + token - first_token(args, request);
}

fi_row row_record(const fi_plan_args &args, const Tree &tree, int token, int row) {
  fi_row record = row_of_token(args, token);
  if (token < first_token(args, 0))
    return record;
  const int tile = tree.tile_begin[tree.place[request_of(args, token)]];
  const int block = block_of(tree, tile).first;
  if (block < tile)
    record.part = (row - row_of_tile(args, tree, block)) * args.group;
  return record;
}

/* Writes all rows in the order of the tree. */
void write_tree_rows(const fi_plan_args &args, const Tree &tree, int tokens) {
  for (int token = first_index(); token < tokens; token += kIndexStride) {
    const int row = row_in_tree(args, tree, token);
    args.plan.rows[row] = row_record(args, tree, token, row);
    if (args.intervals)
      args.plan.seen[row] = interval_of_token(args, token);
    if (args.mask_bits)
      args.plan.row_bits[row] = bits_of_token(args, token);
    if (args.names_requests)
      args.plan.requests[row] = request_of(args, max(token, first_token(args, 0)));
  }
}

/* Plans a batch whose requests share prefixes. Returns whether they do; else nothing is written. */
bool plan_tree(const fi_plan_args &given, int tokens) {
  extern __shared__ int cuts[]; /* [ctas + 1] of each kernel */
  const fi_plan_args &args = as_tree(given);
  if (args.share_tokens == 0)
    return false;
  int *room = cuts;
  for (int m = 0; m <= last_member(args); m++)
    room += member_of(args, m).ctas + 1;
  const Order order = room_for_order(args, room);
  if (!find_order(args, order) || !count_common(args, order.common))
    return false;
  const Tree tree = tree_of(args, order);
  share_tree(args, tree, cuts);
  write_tree_rows(args, tree, tokens);
  return true;
}
