//@use plan/prefix_order

//# The batch tells the order. Requests that can share nothing have the last places in it.

constexpr u32 kFaultOrder = 12;

constexpr u32 kFaultShared = 13;

/* The first entry that is wrong, and how. */
struct Wrong {
  int entry; /* as many as there are: none is */
  u32 kind;
};

Wrong &first_wrong() {
  __shared__ Wrong wrong;
  return wrong;
}

/* Nothing is wrong yet. */
void begin_order(const fi_plan_args &args) {
  if (threadIdx.x == 0)
    first_wrong() = {args.requests, kFaultOrder};
}

/* What entries say, in shared memory. */
struct Told {
  int *request;
  int *tokens; /* in common with the request of the entry before */
  int *pages;  /* of the request, that may be shared; 0: it can share nothing */
};

/* Reads whom the entries name. Returns whether they name each request once. */
bool read_order(const fi_plan_args &args, const Order &order, const Told &told) {
  for (int r = (int)threadIdx.x; r < args.requests; r += kThreads)
    order.place[r] = args.requests; /* the first entry that names it */
  __syncthreads();
  for (int i = (int)threadIdx.x; i < args.requests; i += kThreads) {
    const int request = args.shared[2 * i];
    told.request[i] = request;
    told.tokens[i] = args.shared[2 * i + 1];
    if (request >= 0 && request < args.requests)
      atomicMin(order.place + request, i);
  }
  __syncthreads();
  int fails = 0;
  for (int i = (int)threadIdx.x; i < args.requests; i += kThreads) {
    const int request = told.request[i];
    if (request >= 0 && request < args.requests && order.place[request] == i)
      continue;
    atomicMin(&first_wrong().entry, i);
    fails = 1;
  }
  return !__syncthreads_or(fails);
}

/* Whether two requests have so many tokens. Of the first entry they mean nothing. */
bool has_tokens(const fi_plan_args &args, const Told &told, int entry) {
  const int tokens = told.tokens[entry];
  return entry == 0 || (tokens >= 0 && tokens <= kv_len_of(args, told.request[entry]) &&
                        tokens <= kv_len_of(args, told.request[entry - 1]));
}

/* Finds what requests may share: where tokens are told that there are not, nothing with those before. */
void read_pages(const fi_plan_args &args, const Told &told) {
  Wrong &wrong = first_wrong();
  if (threadIdx.x == 0)
    wrong.kind = kFaultShared;
  for (int i = (int)threadIdx.x; i < args.requests; i += kThreads) {
    told.pages[i] = shareable_pages(args, told.request[i]);
    if (has_tokens(args, told, i))
      continue;
    atomicMin(&wrong.entry, i);
    told.tokens[i] = 0;
  }
  __syncthreads();
}

/* Pages in common with the request before that can share some: the least told on the way. The last must be the same. */
int common_pages(const fi_plan_args &args, const Told &told, int entry) {
  if (told.pages[entry] == 0)
    return 0;
  int tokens = told.tokens[entry];
  int other = entry - 1;
  for (; other >= 0 && told.pages[other] == 0; other--)
    tokens = min(tokens, told.tokens[other]);
  if (other < 0)
    return 0;
  const int pages = min(tokens / args.page_size, min(told.pages[entry], told.pages[other]));
  if (pages == 0 || shared_page(args, told.request[entry], pages - 1) ==
                        shared_page(args, told.request[other], pages - 1))
    return pages;
  atomicMin(&first_wrong().entry, entry);
  return 0;
}

void place_all(const fi_plan_args &args, const Order &order, const Told &told) {
  const auto count = [&](int i) { return told.pages[i] > 0 ? 1 : 0; };
  const int sharing = prefix_sum(order.begin, args.requests, count);
  for (int i = (int)threadIdx.x; i < args.requests; i += kThreads) {
    const int before = order.begin[i];
    const int place = count(i) ? before : sharing + i - before;
    order.place[told.request[i]] = place;
    order.common[place] = common_pages(args, told, i);
  }
  __syncthreads();
}

/* Returns whether there is an order. All threads of the CTA take part. */
bool find_order(const fi_plan_args &args, const Order &order) {
  int *room = order.room;
  Told told;
  told.request = take(room, args.requests);
  told.tokens = take(room, args.requests);
  told.pages = take(room, args.requests);
  if (!read_order(args, order, told))
    return false;
  read_pages(args, told);
  place_all(args, order, told);
  return true;
}

/* Tells of the first entry that is wrong where nothing else is. */
void tell_bad_order(const fi_plan_args &args, bool planned) {
  __syncthreads();
  const Wrong &wrong = first_wrong();
  fi_plan_header &header = *args.plan.header;
  if (threadIdx.x > 0 || !planned || args.share_tokens == 0 || wrong.entry == args.requests || header.fault > 0)
    return;
  header.fault = wrong.kind;
  header.fault_request = (u32)wrong.entry;
  header.fault_value = args.shared[2 * wrong.entry + (wrong.kind == kFaultShared ? 1 : 0)];
}
