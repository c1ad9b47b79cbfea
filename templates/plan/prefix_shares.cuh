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
  int head;
  int number; /* among all, with those that have no steps */
  int block;  /* first tile of its block */
  int tiles;  /* of the block */
  int block_begin; /* first step on the line of the block on this head */
  int begin;
  int end;
};

TreeUnit unit_in_block(const fi_plan_args &args, const Tree &tree, const Run &of, int head, int element) {
  const int block = of.first;
  const int tiles = of.end - of.first;
  const int first = tree.step_begin[2 * block];
  const int steps = tree.step_begin[2 * of.end] - first;
  TreeUnit unit;
  unit.element = element;
  unit.head = head;
  unit.number = 2 * (block * args.kv_heads + head * tiles) + element - 2 * block;
  unit.block = block;
  unit.tiles = tiles;
  unit.block_begin = first * args.kv_heads + head * steps;
  unit.begin = unit.block_begin + tree.step_begin[element] - first;
  unit.end = unit.block_begin + tree.step_begin[element + 1] - first;
  return unit;
}

/* The unit by its number. */
TreeUnit tree_unit_at(const fi_plan_args &args, const Tree &tree, int number) {
  const int tile = number / 2 / args.kv_heads; /* some tile of the block */
  const Run block = block_of(tree, tile);
  const int elements = 2 * (block.end - block.first); /* on a head */
  const int within = number - 2 * block.first * args.kv_heads;
  return unit_in_block(args, tree, block, within / elements, 2 * block.first + within % elements);
}

/* The unit that a step belongs to. */
TreeUnit tree_unit_of_step(const fi_plan_args &args, const Tree &tree, int step) {
  const int tile = find_last(tree.step_begin, 2 * tree.tiles, step / args.kv_heads) / 2; /* some tile of the block */
  const Run block = block_of(tree, tile);
  const int first = tree.step_begin[2 * block.first];
  const int steps = tree.step_begin[2 * block.end] - first;
  const int within = step - first * args.kv_heads;
  const int element = find_last(tree.step_begin, 2 * tree.tiles, first + within % steps);
  return unit_in_block(args, tree, block, within / steps, element);
}

/* All steps, cut into even shares. */
Section section_of_tree(const fi_plan_args &args, const Tree &tree, const int *cuts) {
  Section section = section_of_heads(tree.steps, 0, args.kv_heads);
  divide_section(section, min(args.ctas, section.steps), cuts);
  return section;
}

/* Where a share begins: as cut_of of a line. */
int cut_of_tree(const fi_plan_args &args, const Tree &tree, const Section &section, int share) {
  if (share >= section.shares)
    return section.steps;
  const int cut = even_cut(section, share);
  if (args.unit_steps == 0)
    return cut;
  const TreeUnit unit = tree_unit_of_step(args, tree, cut);
  const int before = cut - unit.begin;
  const int after = unit.end - cut;
  if (before > args.unit_steps && after > args.unit_steps)
    return cut;
  return before <= after ? unit.begin : unit.end;
}

void cut_tree(const fi_plan_args &args, const Tree &tree, const Section &section, int *cuts) {
  for (int share = (int)threadIdx.x; share <= args.ctas; share += kThreads)
    cuts[share] = cut_of_tree(args, tree, section, share);
  __syncthreads();
}

/* Pieces of a unit: fixed ones, or one in each of its shares. */
int pieces_of(const fi_plan_args &args, const Section &section, const TreeUnit &unit) {
  if (args.fixed)
    return unit.end - unit.begin;
  return share_of(section, unit.end - 1) - share_of(section, unit.begin) + 1;
}

/* Layers of a block that the branches around an element have. */
int layers_around(const fi_plan_args &args, const Tree &tree, const Section &section, const TreeUnit &unit,
                  Branch branch) {
  int layers = 0;
  while (unit.tiles > 1 && branch.kv_begin > 0) {
    branch = parent_of(tree.depth, branch);
    const int element = element_of(tree.depth, branch);
    const Run block = {unit.block, unit.block + unit.tiles};
    layers += pieces_of(args, section, unit_in_block(args, tree, block, unit.head, element));
  }
  return layers;
}

/*
 * The slot of the first layer of a block on a head. Fixed pieces have as many layers as steps at most. Of even shares
 * those of a tile alone lie as in write_piece; those of other blocks after all of these: a tile is in fewer branches
 * than its block has tiles, so that all it is in has no more layers than the block has tiles and cuts on the head.
 */
int first_slot(const fi_plan_args &args, const Section &section, const TreeUnit &unit) {
  if (args.fixed)
    return unit.block_begin;
  const int share = share_of(section, unit.block_begin);
  return unit.tiles == 1 ? 2 * share : 2 * args.ctas + unit.block * args.kv_heads + unit.head * unit.tiles + share;
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
    extent.branch = branch_before(tree.depth, element / 2);
  const int first = is_leaf ? element / 2 : extent.branch.first;
  extent.tile = tile_in_tree(args, tree, first);
  if (is_leaf) {
    extent.branch = leaf_of(tree.depth, first, extent.tile);
    extent.first = extent.branch.kv_begin / args.start_tokens * args.start_tokens;
    return extent;
  }
  const int place = place_of_tile(tree, first);
  extent.tile.count = tree.row_begin[place + extent.branch.end - first] - tree.row_begin[place];
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

/* A leaf's first piece tells of its tile. */
void write_tree_unit(const fi_plan_args &args, const Tree &tree, const TreeUnit &unit, const fi_item &item, int part,
                     int count) {
  const int row = (item.row_begin - row_of_tile(args, tree, unit.block)) * args.group;
  args.plan.units[item.unit] = {item.row_begin, item.row_count, item.kv_head, part + row, args.tile_rows, count, -1, 0};
  args.plan.arrivals[item.unit] = count;
}

/* Gives piece `piece` of a unit its place among the partials. */
void place_piece(const fi_plan_args &args, const Tree &tree, const Section &section, const TreeUnit &unit,
                 const Extent &extent, fi_item &item, int piece) {
  const int pieces = pieces_of(args, section, unit);
  const int slot = first_slot(args, section, unit);
  if (unit.tiles == 1 && pieces == 1)
    return;
  if (unit.tiles == 1 && !args.fixed)
    return make_part(args, item, tree.tiles * args.kv_heads, slot, piece, pieces);
  const int around = layers_around(args, tree, section, unit, extent.branch);
  const int part = slot * args.tile_rows;
  item.part = part + (around + piece) * args.tile_rows;
  if (unit.element % 2 == 1 && piece == 0)
    write_tree_unit(args, tree, unit, item, part, around + pieces);
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
  piece.unit = is_first ? tree_unit_at(args, tree, i) : tree_unit_of_step(args, tree, step);
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
  return args.fixed ? piece.end : tree_unit_of_step(args, tree, piece.end).number + piece.share;
}

/* Writes the items of all units. */
void write_tree_items(const fi_plan_args &args, const Tree &tree, const Section &section) {
  for (int i = first_index(); i < count_pieces(args, tree, section); i += kIndexStride) {
    const TreePiece piece = tree_piece(args, tree, section, i);
    if (piece.begin == piece.end)
      continue;
    const Extent extent = extent_of(args, tree, piece.unit.element);
    fi_item item = tree_item(args, piece.unit, extent, piece.begin, piece.end);
    place_piece(args, tree, section, piece.unit, extent, item, piece.number);
    item.next = item_after_piece(args, tree, section, piece);
    args.plan.items[piece.index] = item;
    if (piece.begin == section.cuts[piece.share])
      args.plan.first[piece.share] = item;
  }
}

/* Cuts a batch that shares prefixes into shares. */
void share_tree(const fi_plan_args &args, const Tree &tree, int *cuts) {
  const Section section = section_of_tree(args, tree, cuts);
  cut_tree(args, tree, section, cuts);
  close_empty_shares(args, section);
  write_tree_items(args, tree, section);
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
bool plan_tree(const fi_plan_args &args, int tokens) {
  extern __shared__ int cuts[]; /* [ctas + 1] */
  if (args.share_tokens == 0)
    return false;
  const Order order = room_for_order(args, cuts + args.ctas + 1);
  if (!find_order(args, order) || !count_common(args, order.common))
    return false;
  const Tree tree = tree_of(args, order);
  share_tree(args, tree, cuts);
  write_tree_rows(args, tree, tokens);
  return true;
}
