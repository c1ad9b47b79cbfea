//@use plan/prefix_order
//@use ptx/cluster

//# Requests form classes: at first one of all; then, level by level, those of a class that have the same next page
//# stay together. A class is called after its first request, and has its places in the order in a row: its first
//# request's class goes first, then those that leave it, by their first requests. So the place of a request is known
//# as soon as it is the first of its class, and what it has in common with the request before it is what the class had
//# that it left.

/* Beyond so many levels, requests that still share a prefix part. */
constexpr int kMostLevels = 16;

/* Words of two rows of the page table that a lane compares at once. */
constexpr int kWordsOfLane = 16;

constexpr int kNobody = -1;

/* Arrays by request, in shared memory. A class's values are at its first request; those of the class of all, last. */
struct Search : Order {
  int *pages;   /* leading pages that may be shared */
  int *label;   /* its class; kNobody: it is alone */
  int *next;    /* its next page; kNobody: it has none */
  int *claim;   /* the request that has its next class's entry in the table; of these requests, for the class: */
  int *first;   /*   the first request */
  int *members; /*   how many there are */
  int *depth;   /* of a class: pages in common */
  int *bound;   /* and the depth that it will have */
  int *found;
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

Search room_for_search(const fi_plan_args &args, const Order &order) {
  Search search = {order};
  int *room = order.room;
  const int size = args.requests + 1;
  search.pages = take(room, size);
  search.label = take(room, size);
  search.next = take(room, size);
  search.claim = take(room, size);
  search.first = take(room, size);
  search.members = take(room, size);
  search.depth = take(room, size);
  search.bound = take(room, size);
  search.found = take(room, size);
  search.table_size = table_size_of(args.requests);
  search.table = take(room, search.table_size);
  return search;
}

/* Before the next classes are found: the request's next page is known, who has the same is not. */
void set_next(const Search &search, int request, int next) {
  search.next[request] = next;
  search.first[request] = request;
  search.members[request] = 0;
}

void clear_table(const Search &search) {
  for (int i = (int)threadIdx.x; i < search.table_size; i += kThreads)
    search.table[i] = kNobody;
}

/*
 * By this page requests are told apart at first, the last one of the shortest prefix that is worth sharing: who differs
 * there shares nothing, and most often who is the same there is the same before.
 */
int telling_page(const fi_plan_args &args) {
  return (args.share_tokens + args.page_size - 1) / args.page_size - 1;
}

/* Whether a request's entries of the page table go as far as a page, be it filled in or not. */
bool lists_page(const fi_plan_args &args, int request, int number) {
  if (!args.csr)
    return number < args.page_table_stride;
  return args.kv_indptr[request] >= 0 && number < listed_of(args, request);
}

/* Whether a page of another request is in the table already; it is from now on. */
bool was_seen(int *table, int table_size, int page) {
  u32 slot = (u32)page * 0x9e3779b1;
  slot ^= slot >> 15;
  for (;;) {
    slot &= (u32)table_size - 1;
    const int before = atomicCAS(table + slot, kNobody, page);
    if (before == kNobody || before == page)
      return before == page;
    slot++;
  }
}

/*
 * Whether two requests have the same page where they are told apart: in most batches none, which costs little more than
 * the lengths, since pages are asked for beside them. All threads of the CTA take part.
 */
bool some_may_share(const fi_plan_args &args, const Search &search) {
  const int number = telling_page(args);
  const auto telling = [&](int r) {
    const int page = r < args.requests && lists_page(args, r, number) ? shared_page(args, r, number) : kNobody;
    return r < args.requests && kv_len_of(args, r) > args.share_tokens ? page : kNobody;
  };
  int page = telling((int)threadIdx.x);
  clear_table(search);
  __syncthreads();
  int same = 0;
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    same |= page != kNobody && was_seen(search.table, search.table_size, page);
    page = telling(r + kThreads);
  }
  return __syncthreads_or(same);
}

/* All requests that may share something are of one class. */
void begin_search(const fi_plan_args &args, const Search &search) {
  const int number = telling_page(args);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int pages = shareable_pages(args, r);
    const bool may_share = pages > number;
    search.pages[r] = pages;
    search.label[r] = may_share ? args.requests : kNobody;
    set_next(search, r, may_share ? shared_page(args, r, number) : kNobody);
  }
  clear_table(search);
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
    set_next(search, r, goes_on ? shared_page(args, r, at) : kNobody);
  }
  clear_table(search);
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
  int several = 0;
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    const int claim = claim_of(search, r);
    search.claim[r] = claim;
    atomicMin(search.first + claim, r);
    atomicAdd(search.members + claim, 1);
    several |= claim != r;
  }
  return __syncthreads_or(several);
}

/* How many requests a request's next class has. */
int members_of(const Search &search, int request) {
  return search.members[search.claim[request]];
}

/* Whether a request is the first one of its next class. */
bool is_first(const Search &search, int request) {
  return search.first[search.claim[request]] == request;
}

/* The first classes of several requests have the first places, then come those that are alone. */
void place_all(const fi_plan_args &args, const Search &search) {
  const auto count_shared = [&](int r) {
    const int members = members_of(search, r);
    return is_first(search, r) && members > 1 ? members : 0;
  };
  const auto count_alone = [&](int r) { return members_of(search, r) == 1 ? 1 : 0; };
  const int shared = prefix_sum(search.begin, args.requests, count_shared);
  prefix_sum(search.alone, args.requests, count_alone);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    if (is_first(search, r)) {
      search.place[r] = count_alone(r) ? shared + search.alone[r] : search.begin[r];
      search.common[search.place[r]] = 0;
    }
  __syncthreads();
}

/* Whether a request is the first of a next class that leaves its class. */
bool leads_away(const Search &search, int request) {
  const int label = search.label[request];
  return label != kNobody && label != request && is_first(search, request);
}

/* The next classes that leave theirs, in the order of their first requests. */
struct Leavers {
  int count;
  const int *number;  /* of a request that leads one away */
  const int *label;   /* the class that each leaves, */
  const int *members; /* and with how many requests */
};

/* Lists them in arrays that nothing else is in between two levels. */
Leavers list_leavers(const fi_plan_args &args, const Search &search) {
  int *label = search.bound;
  int *members = search.found;
  const int count = prefix_sum(search.begin, args.requests, [&](int r) { return leads_away(search, r) ? 1 : 0; });
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    if (leads_away(search, r)) {
      label[search.begin[r]] = search.label[r];
      members[search.begin[r]] = members_of(search, r);
    }
  __syncthreads();
  return {count, search.begin, label, members};
}

/* Who leaves a class has the places after those that stay, and those that leave before it. */
void place_leavers(const fi_plan_args &args, const Search &search) {
  const Leavers leavers = list_leavers(args, search);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    if (!leads_away(search, r))
      continue;
    const int label = search.label[r];
    int place = search.place[label] + members_of(search, label);
    for (int i = 0; i < leavers.number[r]; i++)
      place += leavers.label[i] == label ? leavers.members[i] : 0;
    search.place[r] = place;
    search.common[place] = search.depth[label];
  }
  __syncthreads();
}

/* Makes the next classes those that are. */
void enter_classes(const fi_plan_args &args, const Search &search) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    if (leads_away(search, r))
      search.depth[r] = search.depth[search.label[r]];
    search.bound[r] = search.pages[r];
    search.found[r] = search.pages[r];
    search.label[r] = members_of(search, r) > 1 ? search.first[search.claim[r]] : kNobody;
  }
  __syncthreads();
}

/*
 * The first word from `begin` to before `end`, of those that a warp compares at once, in which two rows differ; `end`
 * if none does, as most often. Lanes beyond the last word take that, so that loads need no condition.
 */
int first_difference(const u32 *row, const u32 *other, int begin, int end) {
  u32 differ[kWordsOfLane];
  u32 some = 0;
#pragma unroll
  for (int i = 0; i < kWordsOfLane; i++) {
    const int word = min(begin + i * 32 + (int)lane(), end - 1);
    differ[i] = row[word] ^ other[word];
    some |= differ[i];
  }
  int first = end;
  if (!__any_sync(kAllLanes, some != 0))
    return first;
#pragma unroll
  for (int i = kWordsOfLane - 1; i >= 0; i--) {
    const u32 lanes = __ballot_sync(kAllLanes, differ[i] != 0);
    first = lanes != 0 ? begin + i * 32 + __ffs(lanes) - 1 : first;
  }
  return first;
}

/* What the CTAs of a cluster have found by now. Returns whether one goes on. */
bool join_found(const fi_plan_args &args, const Search &search, int goes_on) {
  __shared__ int own;
  goes_on = __syncthreads_or(goes_on);
  if (threadIdx.x == 0)
    own = goes_on;
  cluster_sync();
  for (u32 rank = 0; rank < kClusterCtas; rank++)
    goes_on |= load_of_rank(&own, rank);
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads) {
    int found = search.pages[r];
#pragma unroll
    for (u32 rank = 0; rank < kClusterCtas; rank++)
      found = min(found, load_of_rank(search.found + r, rank));
    search.bound[r] = found;
  }
  cluster_sync();
  return goes_on;
}

/*
 * A warp compares a request with the first one of its class, some pages of every request from `from` of those that may
 * be in common on. Returns whether there are more.
 */
int compare_pages(const fi_plan_args &args, const Search &search, int from) {
  const int words = id_words(args);
  int goes_on = 0;
  const int first_warp = (int)rank_in_cluster() * (int)kThreads / 32;
  for (int r = first_warp + (int)warp(); r < args.requests; r += kClusterCtas * (int)kThreads / 32) {
    const int label = search.label[r];
    if (label == kNobody || label == r)
      continue;
    const int begin = search.depth[label] + from;
    const int end = min(search.bound[label], search.pages[r]);
    int first = end;
    if (begin < end)
      first = first_difference(words_of_pages(args, r), words_of_pages(args, label), begin * words, end * words) /
              words;
    if (lane() == 0 && first < search.bound[label])
      atomicMin(search.found + label, first);
    goes_on |= begin + kWordsOfLane * 32 / words < end;
  }
  return goes_on;
}

/* Finds how many pages all of each class have in common: some pages of every request before the next pages of any. */
void deepen_classes(const fi_plan_args &args, const Search &search) {
  const int pages_at_once = kWordsOfLane * 32 / id_words(args);
  int from = 0;
  while (join_found(args, search, compare_pages(args, search, from)))
    from += pages_at_once;
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    search.depth[r] = search.bound[r];
  __syncthreads();
}

/*
 * Finds the order. Returns whether some requests may share a prefix; else there is none. All threads of the CTA take
 * part.
 */
bool find_order(const fi_plan_args &args, const Order &order) {
  const Search search = room_for_search(args, order);
  if (!some_may_share(args, search))
    return false;
  begin_search(args, search);
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
