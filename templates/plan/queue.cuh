//# Whole units in a queue: a CTA that is done with one claims the next. Long units come first, so that in the end all
//# CTAs are done at about the same time.

/* Most steps of the units that come last: with two of them may a CTA be at work when the others are done. */
constexpr int kLastSteps = 16;

/* Units a CTA, at least: it claims its second one when it begins with the first. */
constexpr int kLeastUnits = 4;

/* Most requests: each unit looks at all of them for its place. */
constexpr int kMostRequests = 256;

int steps_of_tile(const Line &line, int tile) {
  return line.step_begin[tile + 1] - line.step_begin[tile];
}

int max_of_warp(int value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = max(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/* Steps of the longest unit, and of the longest of those that come last. */
struct Longest {
  int unit;
  int last;
};

Longest longest_of(const fi_plan_args &args, const Line &line) {
  __shared__ Longest longest;
  Longest own = {0, 0};
  if (threadIdx.x == 0)
    longest = own;
  for (int tile = (int)threadIdx.x; tile < line.tiles; tile += kThreads)
    own.unit = max(own.unit, steps_of_tile(line, tile));
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    if (line.tile_begin[request + 1] > line.tile_begin[request])
      own.last = max(own.last, steps_of_tile(line, line.tile_begin[request]));
  own = {max_of_warp(own.unit), max_of_warp(own.last)};
  __syncthreads();
  if (lane() == 0) {
    atomicMax(&longest.unit, own.unit);
    atomicMax(&longest.last, own.last);
  }
  __syncthreads();
  return longest;
}

/* Whether a queue is better than even shares: units are many, none has more than a share, and the last are short. */
bool queue_pays(const fi_plan_args &args, const Line &line) {
  if (!args.claims || args.fixed || args.requests > kMostRequests ||
      line.tiles * args.kv_heads < kLeastUnits * args.ctas)
    return false;
  const Longest longest = longest_of(args, line);
  return longest.unit <= line.steps * args.kv_heads / args.ctas && longest.last <= kLastSteps;
}

/*
 * How many tiles come before one, on each head: those that are further back in their requests, which see more where the
 * mask is causal, and of those at the same place the ones of requests before.
 */
int place_of_tile(const fi_plan_args &args, const Line &line, int tile) {
  const int request = has_tile_each(args) ? tile : find_last(line.tile_begin, args.requests, tile);
  const int number = tile - line.tile_begin[request];
  int place = 0;
  for (int other = 0; other < args.requests; other++) {
    const int tiles = line.tile_begin[other + 1] - line.tile_begin[other];
    place += max(0, tiles - 1 - number) + (other < request && tiles > number);
  }
  return place;
}

/*
 * Sections of the queue, which come one after the other: their KV takes half of what those of shares have, since all of
 * it is gone over again and again, but each has work for all CTAs.
 */
int sections_of_queue(const fi_plan_args &args, const Line &line) {
  const int most = line.tiles * args.kv_heads / (2 * args.ctas);
  const int kv_heads = args.kv_heads / args.head_tiles;
  return max(1, min(2 * sections_wanted(args, line), min(most, kv_heads)));
}

/* The section, of `count`, that a head is in. */
Section section_of_head(const fi_plan_args &args, const Line &line, int head, int count) {
  const int kv_heads = args.kv_heads / args.head_tiles;
  return section_of(args, line, nullptr, ((head / args.head_tiles + 1) * count - 1) / kv_heads, count);
}

/* Writes all units as items: one section after the other, by the places of tiles, then heads. */
void write_queue(const fi_plan_args &args, const Line &line) {
  const int sections = sections_of_queue(args, line);
  const int units = line.tiles * args.kv_heads;
  for (int i = first_index(); i < units; i += kIndexStride) {
    const Section section = section_of_head(args, line, i % args.kv_heads, sections);
    const int tile = i / args.kv_heads;
    const Unit unit = unit_of(args, line, section, tile, i % args.kv_heads - section.first_head);
    fi_item item = item_of(args, line, section, unit, unit.begin, unit.end);
    item.next = FI_NEXT_CLAIMED;
    const int number =
        section.first_head * line.tiles + place_of_tile(args, line, tile) * section.heads + unit.head;
    args.plan.items[number] = item;
    if (number < args.ctas)
      args.plan.first[number] = item;
  }
  for (int cta = units + first_index(); cta < args.ctas; cta += kIndexStride)
    args.plan.first[cta].row_count = 0;
  const int first = min(units, args.ctas);
  if (blockIdx.x % FI_PLAN_CTAS == 0 && threadIdx.x == 0)
    *args.plan.queue = {first, first, units, 0};
}

void share_line(const fi_plan_args &args, const Line &line, int *cuts) {
  if (queue_pays(args, line))
    write_queue(args, line);
  else
    cut_batch(args, line, cuts);
}
