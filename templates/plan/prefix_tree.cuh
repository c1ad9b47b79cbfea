//@if prefixes > 1
//@use plan/prefix_told
//@else
//@use plan/prefix_search
//@end
//@use plan/prefix_members

//# Prefixes that requests share, as a tree over the tiles of a batch.
//#
//# Tiles are numbered in an order in which those that share most are neighbours, and their rows follow each other.
//# Some neighbours that fit one tile of the kernel together are a block. `depth` says how many KV tokens a tile has in
//# common with the one before it: 0 at the first of a block. Between two tiles of a block there may be a branch: all
//# tiles around that have as many tokens in common, and of these tokens those that no larger branch has. The tokens
//# that are in no branch are the tile's own, its leaf. So a tile's rows see the KV of its leaf and of the branches
//# around it, one after the other.
//#
//# Elements of the tree are numbers: 2 * tile is the branch between a tile and the one before it, and 2 * tile + 1 is
//# the leaf. Elements without steps are none.

/* Tiles from first to before end. Shared memory has room for fewer than 2^16. */
struct Run {
  u16 first;
  u16 end;
};

/* Tiles around one, found once: each has to walk to them. */
struct Around {
  Run run;   /* that have as much in common, each with the one before it, as this one */
  Run block; /* that have anything in common */
};

struct Tree {
  int requests;
  int tiles;
  const int *order;      /* [requests] the request at each place of the order */
  const int *place;      /* [requests] */
  const int *row_begin;  /* [requests + 1] by place: first row of a request */
  const int *tile_begin; /* [requests + 1] first tile of a request */
  const int *depth;      /* [tiles + 1] */
  const Around *around;  /* [tiles], of which those of tiles that are branches have a run */
  const int *step_begin; /* [2 * tiles + 1] of each element, on one head; so for each kernel */
};

/* Where the elements that a kernel has begin, on one head. Those of other kernels have no steps. */
const int *steps_of_member(const Tree &tree, int member) {
  return tree.step_begin + member * (2 * tree.tiles + 1);
}

/* Tiles from first to before end, and the KV tokens that an element has of what all their rows see. */
struct Branch {
  int first;
  int end;
  int kv_begin; /* 0: it is in no larger branch */
  int kv_end;
};

/* The tiles around some that have `least` tokens or more in common, each with the one before it. */
Run run_around(const int *depth, Run run, int least) {
  while (depth[run.first] >= least)
    run.first--;
  while (depth[run.end] >= least)
    run.end++;
  return run;
}

/* Finds what is around each tile. */
void look_around(const int *depth, int tiles, Around *around) {
  for (int tile = (int)threadIdx.x; tile < tiles; tile += kThreads) {
    const Run own = {(u16)tile, (u16)(tile + 1)};
    const Run run = depth[tile] > 0 ? run_around(depth, own, depth[tile]) : own;
    around[tile] = {run, run_around(depth, run, 1)};
  }
  __syncthreads();
}

/* The branch that ties a tile to the one before it. */
Branch branch_before(const Tree &tree, int tile) {
  const Run run = tree.around[tile].run;
  return {run.first, run.end, max(tree.depth[run.first], tree.depth[run.end]), tree.depth[tile]};
}

/* The element that a branch is: that of the first tile which it ties to the one before. */
int element_of(const int *depth, const Branch &branch) {
  int tile = branch.first + 1;
  while (depth[tile] > branch.kv_end)
    tile++;
  return 2 * tile;
}

/* The branch that a branch or leaf is in, which has KV before its own. */
Branch parent_of(const Tree &tree, const Branch &branch) {
  return branch_before(tree, tree.depth[branch.first] >= tree.depth[branch.end] ? branch.first : branch.end);
}

/* The tiles of a tile's block. */
Run block_of(const Tree &tree, int tile) {
  return tree.around[tile].block;
}

/* The place of a tile's request in the order. */
int place_of_tile(const Tree &tree, int tile) {
  return find_last(tree.tile_begin, tree.requests, tile);
}

/* A tile by its number in the tree; its rows are the plan's. */
Tile tile_in_tree(const fi_plan_args &args, const Tree &tree, int tile) {
  const int place = place_of_tile(tree, tile);
  const int request = tree.order[place];
  Tile result = tile_of_request(args, request, tile - tree.tile_begin[place]);
  result.first += tree.row_begin[place] - first_token(args, request);
  return result;
}

/* The first row of a tile. */
int row_of_tile(const fi_plan_args &args, const Tree &tree, int tile) {
  const int place = place_of_tile(tree, tile);
  return tree.row_begin[place] + (tile - tree.tile_begin[place]) * args.tile_tokens;
}

/* What a tile has alone. */
Branch leaf_of(const int *depth, int tile, const Tile &of) {
  const int shared = max(depth[tile], depth[tile + 1]);
  return {tile, tile + 1, shared > 0 ? shared : of.kv_begin, of.kv_end};
}

/* The query tokens of a branch. Tiles that share are all of their requests. */
int tokens_of(const Tree &tree, const Branch &branch) {
  const int place = place_of_tile(tree, branch.first);
  return tree.row_begin[place + branch.end - branch.first] - tree.row_begin[place];
}

/* An element as a unit of a kernel: its steps on one head, of its KV and before them what a unit costs besides. */
struct Element {
  int member;
  int steps; /* 0: it is none */
};

Element leaf_as_unit(const fi_plan_args &args, const Tree &tree, int tile) {
  const Tile of = tile_in_tree(args, tree, tile);
  const int member = member_of_rows(args, of.count);
  const fi_member kernel = member_of(args, member);
  const Branch leaf = leaf_of(tree.depth, tile, of);
  const int first = leaf.kv_begin / kernel.start_tokens * kernel.start_tokens;
  const int steps = (leaf.kv_end - first + kernel.step_tokens - 1) / kernel.step_tokens;
  return {member, kernel.unit_steps + max(1, steps)};
}

Element element_as_unit(const fi_plan_args &args, const Tree &tree, int element) {
  const int tile = element / 2;
  if (element % 2 == 1)
    return leaf_as_unit(args, tree, tile);
  if (tree.depth[tile] == 0)
    return {0, 0};
  const Branch branch = branch_before(tree, tile);
  if (element_of(tree.depth, branch) != element)
    return {0, 0};
  const int member = member_of_rows(args, tokens_of(tree, branch));
  const fi_member kernel = member_of(args, member);
  return {member, kernel.unit_steps + (branch.kv_end - branch.kv_begin) / kernel.step_tokens};
}

/* Rows of the request at a place. */
int rows_at(const Tree &tree, int place) {
  return tree.row_begin[place + 1] - tree.row_begin[place];
}

/*
 * What must fit a block, of at most so many query tokens, for the request at a place to join it: all that are closer to
 * it than it is to the one before it, so that they are not parted; where these are too many for any block, it alone.
 */
int rows_to_join(const Tree &tree, const int *common, int place, int most) {
  const int own = rows_at(tree, place);
  int rows = own;
  for (int next = place + 1; common[next] > common[place] && rows <= most; next++)
    rows += rows_at(tree, next);
  return rows > most ? own : rows;
}

/* The place after a block that begins at a place. */
int end_of_block(const Tree &tree, const int *common, const int *joining, int place, int most) {
  int rows = rows_at(tree, place);
  int end = place + 1;
  for (; common[end] > 0 && rows + joining[end] <= most; end++)
    rows += rows_at(tree, end);
  return end;
}

/* Where blocks begin, from the first one of some that share a prefix on. */
void begin_blocks(const Tree &tree, const int *common, const int *block_end, int place, int *depth) {
  for (int next = block_end[place]; common[next] > 0; next = block_end[next])
    depth[tree.tile_begin[next]] = 0;
}

/*
 * Finds the depth of all tiles, in blocks of at most so many query tokens, and what is around each. `common` is in
 * tokens; `room` is for two numbers of each request.
 */
void find_depth(const Tree &tree, const int *common, int most, int *room, int *depth, Around *around) {
  int *joining = room;
  int *block_end = room + tree.requests;
  for (int tile = (int)threadIdx.x; tile <= tree.tiles; tile += kThreads)
    depth[tile] = 0;
  for (int place = (int)threadIdx.x; place < tree.requests; place += kThreads)
    joining[place] = rows_to_join(tree, common, place, most);
  __syncthreads();
  for (int place = (int)threadIdx.x; place < tree.requests; place += kThreads) {
    block_end[place] = end_of_block(tree, common, joining, place, most);
    if (common[place] > 0)
      depth[tree.tile_begin[place]] = common[place];
  }
  __syncthreads();
  for (int place = (int)threadIdx.x; place < tree.requests; place += kThreads)
    if (common[place] == 0)
      begin_blocks(tree, common, block_end, place, depth);
  __syncthreads();
  look_around(depth, tree.tiles, around);
}

/* Finds where the elements of all kernels begin. They are noted first, where the last kernel's sums will be. */
void sum_steps(const fi_plan_args &args, const Tree &tree, int *step_begin) {
  const int elements = 2 * tree.tiles;
  const bool several = last_member(args) > 0;
  int *noted = step_begin + last_member(args) * (elements + 1);
  for (int i = (int)threadIdx.x; i < elements; i += kThreads) {
    const Element element = element_as_unit(args, tree, i);
    noted[i] = element.member > 0 ? -element.steps : element.steps;
  }
  __syncthreads();
  if (several)
    prefix_sum(step_begin, elements, [&](int i) { return max(0, noted[i]); });
  prefix_sum(noted, elements, [&](int i) { return several ? max(0, -noted[i]) : noted[i]; });
}

/* What is read again costs so much of what it costs at first: most often it is in L2 then. */
constexpr float kAgain = 0.5f;

/* Whether what many requests share is worth a launch of the last kernel. All threads take part, and get the same. */
bool last_pays(const fi_plan_args &args, const Tree &tree) {
  __shared__ int once;  /* what its tiles read, in lengths of a share, */
  __shared__ int again; /* and how many more of the first kernel there would be for it */
  if (threadIdx.x == 0)
    once = again = 0;
  __syncthreads();
  for (int tile = (int)threadIdx.x; tile < tree.tiles; tile += kThreads) {
    if (tree.depth[tile] == 0)
      continue;
    const Branch branch = branch_before(tree, tile);
    const int more = (tokens_of(tree, branch) - 1) / member_of(args, 0).tile_tokens;
    if (more == 0 || element_of(tree.depth, branch) != 2 * tile)
      continue;
    const int length = (branch.kv_end - branch.kv_begin) / args.share_tokens;
    atomicAdd(&once, length);
    atomicAdd(&again, length * more);
  }
  __syncthreads();
  const fi_member last = member_of(args, last_member(args));
  const float by_first = ((float)once + kAgain * (float)again) * member_of(args, 0).token_cost;
  return (by_first - (float)once * last.token_cost) * (float)args.share_tokens > kBegun * last.launch_cost;
}

/* Blocks are as large as a tile of the last kernel, or, where that is not worth it, of the first. */
void find_blocks(const fi_plan_args &args, const Tree &tree, const int *common, int *room, int *depth,
                 Around *around) {
  find_depth(tree, common, args.tile_tokens, room, depth, around);
  if (last_member(args) > 0 && !last_pays(args, tree))
    find_depth(tree, common, member_of(args, 0).tile_tokens, room, depth, around);
}

/*
 * The tokens that a request has in common with that before it: so many that cuts of their KV are where they were.
 * Returns whether one has some.
 */
bool count_common(const fi_plan_args &args, int *common) {
  int some = 0;
  for (int place = (int)threadIdx.x; place < args.requests; place += kThreads) {
    common[place] = common[place] * args.page_size / args.share_tokens * args.share_tokens;
    some |= common[place];
  }
  if (threadIdx.x == 0)
    common[args.requests] = 0;
  return __syncthreads_or(some);
}

/* Lays out the tiles of the requests in the order that was found, over what finding it no longer needs. */
Tree tree_of(const fi_plan_args &args, const Order &found) {
  Tree tree;
  int *room = found.room;
  int *order = take(room, args.requests);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    order[found.place[r]] = r;
  tree.requests = args.requests;
  tree.order = order;
  tree.place = found.place;
  tree.row_begin = found.begin;
  tree.tile_begin = found.alone;
  __syncthreads();
  const int first = first_token(args, 0);
  prefix_sum(found.begin, args.requests, [&](int place) { return query_len_of(args, order[place]); });
  tree.tiles = prefix_sum(found.alone, args.requests, [&](int place) { return tiles_of(args, order[place]); });
  for (int place = (int)threadIdx.x; place <= args.requests; place += kThreads)
    found.begin[place] += first;
  __syncthreads();
  int *depth = take(room, tree.tiles + 1);
  int *step_begin = take(room, (last_member(args) + 1) * (2 * tree.tiles + 1));
  Around *around = (Around *)take(room, (int)sizeof(Around) / 4 * tree.tiles);
  tree.depth = depth;
  tree.around = around;
  tree.step_begin = step_begin;
  find_blocks(args, tree, found.common, room, depth, around);
  sum_steps(args, tree, step_begin);
  return tree;
}
