//@use plan/prefix_sum

//# What the batch says of a request, a tile, a token. Lengths beyond the workspace's bounds are cut to them, and told.

/* What is wrong with a request, as fi_fault of flashjit.h; kind is 0 if nothing is. */
struct Fault {
  u32 kind;
  long long value;
};

constexpr u32 kFaultQIndptr = 1;

constexpr u32 kFaultTokens = 2;

constexpr u32 kFaultKvLen = 3;

constexpr u32 kFaultKvStart = 4;

constexpr u32 kFaultPage = 5;

constexpr u32 kFaultLastPage = 7;

/* Index of a request's first query token; requests themselves when every one has a single token. */
int first_token(const fi_plan_args &args, int request) {
  return max(0, min(args.q_indptr ? args.q_indptr[request] : request, args.max_tokens));
}

int query_len_of(const fi_plan_args &args, int request) {
  return max(0, first_token(args, request + 1) - first_token(args, request));
}

/* Tokens of ragged KV, or entries of the page table, that a request has in the list of all. */
long long listed_of(const fi_plan_args &args, int request) {
  return (long long)args.kv_indptr[request + 1] - args.kv_indptr[request];
}

/* KV tokens of a request as the caller gives them. */
long long given_kv_len(const fi_plan_args &args, int request) {
  if (args.kv_len)
    return args.kv_len[request];
  const long long listed = listed_of(args, request);
  if (!args.last_page_len)
    return listed;
  return listed > 0 ? (listed - 1) * args.page_size + args.last_page_len[request] : 0;
}

/* The most that a request may have: the bound of all, and what the list has of it. */
long long most_kv_len(const fi_plan_args &args, int request) {
  if (!args.csr)
    return args.max_kv_len;
  if (args.kv_indptr[request] < 0)
    return 0;
  return min((long long)args.max_kv_len, listed_of(args, request) * max(1, args.page_size));
}

/* The KV tokens that count. */
int sane_kv_len(const fi_plan_args &args, int request) {
  return (int)max(0ll, min(given_kv_len(args, request), most_kv_len(args, request)));
}

int kv_len_of(const fi_plan_args &args, int request) {
  return args.checked ? max(0, args.checked[request]) : sane_kv_len(args, request);
}

/* First KV token of a request that is seen. */
int kv_start_of(const fi_plan_args &args, int request) {
  return args.kv_start ? max(0, args.kv_start[request]) : 0;
}

int kv_base_of(const fi_plan_args &args, int request) {
  return args.csr ? args.kv_indptr[request] : request;
}

/* Page `number` of a request. */
long long page_id(const fi_plan_args &args, int request, int number) {
  const long long entry = number + (args.csr ? args.kv_indptr[request] : request * args.page_table_stride);
  return args.page_ids == 8 ? ((const long long *)args.page_table)[entry] : ((const int *)args.page_table)[entry];
}

/*
 * Whether every query token belongs to one request at most. Else tiles would be more than there is room for, and
 * nothing is planned. All threads of the CTA take part.
 */
bool is_sound(const fi_plan_args &args) {
  if (!args.q_indptr)
    return true;
  int falls = 0;
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    falls |= args.q_indptr[request] < 0 || args.q_indptr[request + 1] < args.q_indptr[request];
  return !__syncthreads_or(falls);
}

Fault fault_of(const fi_plan_args &args, int request) {
  const int q_begin = args.q_indptr ? args.q_indptr[request] : request;
  const int q_end = args.q_indptr ? args.q_indptr[request + 1] : request + 1;
  const long long kv_len = given_kv_len(args, request);
  const int kv_start = args.kv_start ? args.kv_start[request] : 0;
  if (q_begin < 0 || q_end < q_begin)
    return {kFaultQIndptr, q_begin < 0 ? q_begin : q_end};
  if (q_end > args.max_tokens)
    return {kFaultTokens, q_end};
  if (args.last_page_len && listed_of(args, request) > 0 &&
      (args.last_page_len[request] < 1 || args.last_page_len[request] > args.page_size))
    return {kFaultLastPage, args.last_page_len[request]};
  if (kv_len < 0 || kv_len > most_kv_len(args, request))
    return {kFaultKvLen, kv_len};
  if (kv_start < 0 || kv_start > kv_len)
    return {kFaultKvStart, kv_start};
  if (args.checked && args.checked[request] < 0)
    return {kFaultPage, page_id(args, request, -1 - args.checked[request])};
  return {0, 0};
}

/* Where the KV that is read of a request begins. */
int kv_begin_of(const fi_plan_args &args, int request) {
  return args.kv_start ? kv_start_of(args, request) / args.start_tokens * args.start_tokens : 0;
}

/* A warp takes a request: its KV tokens, or which of its pages is the first that is out of range. */
void check_pages(const fi_plan_args &args) {
  const int warps = FI_PLAN_CTAS * kThreads / 32;
  for (int request = (int)(warp() * FI_PLAN_CTAS + blockIdx.x % FI_PLAN_CTAS); request < args.requests;
       request += warps) {
    const int kv_len = sane_kv_len(args, request);
    const int pages = (kv_len + args.page_size - 1) / args.page_size;
    int first_bad = pages;
    /* Attention reads from the start on, append writes the query tokens, which may be before it. */
    const int first = min(kv_begin_of(args, request), max(0, kv_len - query_len_of(args, request))) / args.page_size;
    for (int page = first + (int)lane(); page < pages && first_bad == pages; page += 32) {
      const long long id = page_id(args, request, page);
      if (id < 0 || id >= args.page_count)
        first_bad = page;
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
      first_bad = min(first_bad, __shfl_xor_sync(kAllLanes, first_bad, distance));
    if (lane() == 0)
      args.checked[request] = first_bad < pages ? -1 - first_bad : kv_len;
  }
}

int tiles_of(const fi_plan_args &args, int request) {
  return (query_len_of(args, request) + args.tile_tokens - 1) / args.tile_tokens;
}

/* Consecutive query tokens of one request, and the KV from where it starts to the last that they see. */
struct Tile {
  int kv_base;
  int kv_begin;
  int kv_end;
  int first; /* token */
  int count;
};

Tile tile_of(const fi_plan_args &args, const int *tile_begin, int tile) {
  const int request = args.q_indptr ? find_last(tile_begin, args.requests, tile) : tile;
  const int begin = first_token(args, request);
  const int end = first_token(args, request + 1);
  const int kv_len = kv_len_of(args, request);
  Tile result;
  result.kv_base = kv_base_of(args, request);
  result.first = begin + (tile - tile_begin[request]) * args.tile_tokens;
  result.count = min(args.tile_tokens, end - result.first);
  result.kv_begin = kv_begin_of(args, request);
  result.kv_end = args.causal ? max(0, kv_len - (end - result.first - result.count)) : kv_len;
  return result;
}

/* The first of the line's steps that a tile's KV has, counted from the request's first token. */
int first_step(const fi_plan_args &args, const Tile &tile) {
  return args.kv_start ? tile.kv_begin / args.step_tokens : 0;
}

/*
 * Steps of a tile on one head: those of its KV, one if it has none, in which its output is written; and before
 * them what beginning and ending a unit costs.
 */
int steps_of(const fi_plan_args &args, const Tile &tile) {
  const int last = (tile.kv_end + args.step_tokens - 1) / args.step_tokens;
  return args.unit_steps + max(1, last - first_step(args, tile));
}

/* The request of a query token. */
int request_of(const fi_plan_args &args, int token) {
  return args.q_indptr ? find_last(args.q_indptr, args.requests, token) : token;
}

/* The record of a query token. Those before the first request's belong to nobody: they see nothing and are nowhere. */
fi_row row_of_token(const fi_plan_args &args, int token) {
  if (token < first_token(args, 0))
    return {token, -1, 0, 0};
  const int request = request_of(args, token);
  const int left = first_token(args, request + 1) - token;
  const int place = (token - first_token(args, request)) % args.tile_tokens;
  return {token, kv_len_of(args, request) - left, kv_base_of(args, request), place * args.group};
}

/* The first KV token that a query token sees. */
int row_first_of_token(const fi_plan_args &args, int token) {
  return kv_start_of(args, request_of(args, token));
}
