//@use plan/batch

//# Which requests share leading pages, and an order in which those that share most are neighbours. Every CTA of the
//# plan finds the same.
//#
//# Requests form classes: at first one of all; then, level by level, those of a class that have the same next page
//# stay together. A class is called after its first request, and has its places in the order in a row: its first
//# request's class goes first, then those that leave it, by their first requests. So the place of a request is known
//# as soon as it is the first of its class, and what it has in common with the request before it is what the class had
//# that it left.

/* Beyond so many levels, requests that still share a prefix part. */
constexpr int kMostLevels = 16;

/* Pages that a lane compares at once. */
constexpr int kPagesOfLane = 8;

constexpr int kNobody = -1;

/* Arrays by request, in shared memory. A class's values are at its first request; those of the class of all, last. */
struct Search {
  int *place;   /* in the order, with `common` what is found */
  int *common;  /* by place: pages in common with the request before it */
  int *pages;   /* leading pages that may be shared */
  int *label;   /* its class; kNobody: it is alone */
  int *next;    /* its next page; kNobody: it has none */
  int *claim;   /* the request that has its next class's entry in the table; of these requests, for the class: */
  int *first;   /*   the first request */
  int *members; /*   how many there are */
  int *depth;   /* of a class: pages in common */
  int *bound;   /* and the depth that it will have */
  int *found;
  int *begin;   /* [requests + 1] for prefix sums, two of them */
  int *alone;
  int *table;   /* [table_size] requests, by hash */
  int table_size;
};

/* Two entries of the table for each request, rounded up to a power of two. */
int table_size_of(int requests) {
  int size = 64;
  while (size < 2 * requests)
    size *= 2;
  return size;
}

/*
 * Leading pages of a request that others may read for it: all that all of its query tokens see, from the first one on.
 * Two such requests must fit a tile. One KV token at least is the request's own.
 */
int shareable_pages(const fi_plan_args &args, int request) {
  const int count = query_len_of(args, request);
  if (count == 0 || 2 * count > args.tile_tokens)
    return 0;
  const Tile tile = tile_of_request(args, request, 0);
  if (tile.kv_begin > 0 || tile.inner_begin > 0)
    return 0;
  const int tokens = min(tile.inner_end, tile.kv_end - 1);
  return tokens < args.share_tokens ? 0 : tokens / args.page_size;
}

/* A page as a class knows it. */
int page_of_class(const fi_plan_args &args, int request, int number) {
  return (int)(page_id(args, request, number) & 0x7fffffff);
}

void begin_search(const fi_plan_args &args, const Search &search) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    search.pages[r] = shareable_pages(args, r);
    search.label[r] = search.pages[r] > 0 ? args.requests : kNobody;
  }
  if (threadIdx.x == 0)
    search.depth[args.requests] = 0;
  __syncthreads();
}

/* Every request's next page; on the last level there is none. */
void read_next(const fi_plan_args &args, const Search &search, bool is_last) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int label = search.label[r];
    const int at = label == kNobody ? 0 : search.depth[label];
    const bool goes_on = label != kNobody && !is_last && at < search.pages[r];
    search.next[r] = goes_on ? page_of_class(args, r, at) : kNobody;
    search.first[r] = r;
    search.members[r] = 0;
  }
  for (int i = (int)threadIdx.x; i < search.table_size; i += kThreads)
    search.table[i] = kNobody;
  __syncthreads();
}

/* The request whose entry of the table is that of a request's next class. */
int claim_of(const Search &search, int request) {
  const int label = search.label[request];
  const int next = search.next[request];
  if (next == kNobody)
    return request;
  u32 slot = (u32)next * 0x9e3779b1 + (u32)label * 0x85ebca77;
  slot ^= slot >> 15;
  for (;;) {
    slot &= (u32)search.table_size - 1;
    const int before = atomicCAS(search.table + slot, kNobody, request);
    if (before == kNobody)
      return request;
    if (search.label[before] == label && search.next[before] == next)
      return before;
    slot++;
  }
}

/* Finds the next classes. Returns whether one has several requests. */
bool find_classes(const fi_plan_args &args, const Search &search) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int claim = claim_of(search, r);
    search.claim[r] = claim;
    atomicMin(search.first + claim, r);
    atomicAdd(search.members + claim, 1);
  }
  __syncthreads();
  int several = 0;
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    several |= search.members[search.claim[r]] > 1;
  return __syncthreads_or(several);
}

/* Whether a request is the first one of its next class. */
bool is_first(const Search &search, int request) {
  return search.first[search.claim[request]] == request;
}

/* The first classes of several requests have the first places, then come those that are alone. */
void place_all(const fi_plan_args &args, const Search &search) {
  const auto count_shared = [&](int r) {
    const int members = search.members[search.claim[r]];
    return is_first(search, r) && members > 1 ? members : 0;
  };
  const auto count_alone = [&](int r) { return search.members[search.claim[r]] == 1 ? 1 : 0; };
  const int shared = prefix_sum(search.begin, args.requests, count_shared);
  prefix_sum(search.alone, args.requests, count_alone);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    if (is_first(search, r)) {
      search.place[r] = count_alone(r) ? shared + search.alone[r] : search.begin[r];
      search.common[search.place[r]] = 0;
    }
  __syncthreads();
}

/* The place of a request that leaves its class with others: after those that stay, and those that leave before it. */
int place_after(const Search &search, int request) {
  const int label = search.label[request];
  int place = search.place[label] + search.members[search.claim[label]];
  for (int r = label + 1; r < request; r++)
    if (search.label[r] == label && is_first(search, r))
      place += search.members[search.claim[r]];
  return place;
}

void place_leavers(const fi_plan_args &args, const Search &search) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int label = search.label[r];
    if (label == kNobody || label == r || !is_first(search, r))
      continue;
    search.place[r] = place_after(search, r);
    search.common[search.place[r]] = search.depth[label];
  }
  __syncthreads();
}

/* Makes the next classes those that are. */
void enter_classes(const fi_plan_args &args, const Search &search) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int label = search.label[r];
    const int claim = search.claim[r];
    if (label != kNobody && label != r && is_first(search, r))
      search.depth[r] = search.depth[label];
    search.bound[r] = search.pages[r];
    search.found[r] = search.pages[r];
    search.label[r] = search.members[claim] > 1 ? search.first[claim] : kNobody;
  }
  __syncthreads();
}

/* The first page from `begin` to before `end`, of those that a lane compares, in which two requests differ. */
int first_difference(const fi_plan_args &args, int request, int other, int begin, int end) {
  int first = end;
#pragma unroll
  for (int i = kPagesOfLane - 1; i >= 0; i--) {
    const int page = begin + i * 32 + (int)lane();
    if (page < end && page_id(args, request, page) != page_id(args, other, page))
      first = page;
  }
  return first;
}

/*
 * Finds how many pages all of each class have in common: a warp compares a request with the first one of its class,
 * some pages of every request before the next pages of any.
 */
void deepen_classes(const fi_plan_args &args, const Search &search) {
  int goes_on = 1;
  for (int from = 1; __syncthreads_or(goes_on); from += kPagesOfLane * 32) {
    goes_on = 0;
    for (int r = (int)warp(); r < args.requests; r += (int)kThreads / 32) {
      const int label = search.label[r];
      if (label == kNobody || label == r)
        continue;
      const int begin = search.depth[label] + from;
      const int end = min(search.bound[label], search.pages[r]);
      const int first = begin < end ? first_difference(args, r, label, begin, end) : end;
      if (first < search.bound[label])
        atomicMin(search.found + label, first);
      goes_on |= begin + kPagesOfLane * 32 < end;
    }
    __syncthreads();
    for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
      search.bound[r] = search.found[r];
  }
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    search.depth[r] = search.bound[r];
  __syncthreads();
}

/* Finds the order. Returns whether some requests share a page; else there is none. All threads of the CTA take part. */
bool find_order(const fi_plan_args &args, const Search &search) {
  begin_search(args, search);
  read_next(args, search, false);
  if (!find_classes(args, search))
    return false;
  place_all(args, search);
  for (int level = 1;; level++) {
    enter_classes(args, search);
    deepen_classes(args, search);
    read_next(args, search, level == kMostLevels);
    const bool goes_on = find_classes(args, search);
    place_leavers(args, search);
    if (!goes_on)
      return true;
  }
}
