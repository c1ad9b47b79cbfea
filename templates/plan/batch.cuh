//@use plan/seen

//# What the batch says of a tile and a token, and what is wrong with it.

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

constexpr u32 kFaultRange = 8;

constexpr u32 kFaultSecondLen = 11;

constexpr u32 kFaultSecondPage = 14;

//@if intervals > 1
//@use plan/second

/* What is wrong with a second KV. */
Fault second_fault_of(const fi_plan_args &args, int request) {
  if (has_bad_second_len(args, request))
    return {kFaultSecondLen, args.second_kv_len[request]};
  if (args.second_checked && args.second_checked[request] < 0)
    return {kFaultSecondPage, second_page_id(args, request, -1 - args.second_checked[request])};
  return {0, 0};
}
//@else
/* There are no lists, and so no second KV. */
Fault second_fault_of(const fi_plan_args &args, int request) {
  return {0, 0};
}

void check_second_pages(const fi_plan_args &args, int request) {}
//@end

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
  const int kv_start = given_kv_start(args, request);
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
  const int bad_range = bad_range_of(args, request);
  if (bad_range >= 0)
    return {kFaultRange, bad_range};
  if (args.checked && args.checked[request] < 0)
    return {kFaultPage, page_id(args, request, -1 - args.checked[request])};
  return second_fault_of(args, request);
}

/*
 * A warp looks at a request: its KV tokens, or which is the first out of range of its pages from the first that is seen
 * on. Attention reads what is seen, append writes the query tokens, which may be before it.
 */
void check_pages_of(const fi_plan_args &args, int request) {
  const int kv_len = sane_kv_len(args, request);
  const int pages = query_len_of(args, request) > 0 ? pages_of(kv_len, args.page_size) : 0;
  const int written = max(0, kv_len - query_len_of(args, request));
  const int first = min(first_seen_of(args, request, kv_len), written) / args.page_size;
  const auto id = [&](int page) { return page_id(args, request, page); };
  const int first_bad = first_bad_page(first, pages, args.page_count, id);
  if (lane() == 0)
    args.checked[request] = first_bad < pages ? -1 - first_bad : kv_len;
}

/* Warps take requests one after the other. */
void check_pages(const fi_plan_args &args) {
  const int warps = FI_PLAN_CTAS * kThreads / 32;
  for (int request = (int)(warp() * FI_PLAN_CTAS + blockIdx.x % FI_PLAN_CTAS); request < args.requests;
       request += warps) {
    if (args.checked)
      check_pages_of(args, request);
    check_second_pages(args, request);
  }
}

//@if members > 1
//@use plan/members
//@else
/* All requests are the plan's own. */
u32 members_of_batch(const fi_plan_args &args) {
  return 1;
}

bool is_own(const fi_plan_args &args, int request, u32 members) {
  return true;
}

bool has_tile_each(const fi_plan_args &args) {
  return !args.q_indptr;
}
//@end

int tiles_of(const fi_plan_args &args, int request) {
  return (query_len_of(args, request) + args.tile_tokens - 1) / args.tile_tokens;
}

/* Tiles of a request, if it is the plan's own. `members` are those of the batch. */
int own_tiles_of(const fi_plan_args &args, int request, u32 members) {
  return is_own(args, request, members) ? tiles_of(args, request) : 0;
}

/* Consecutive query tokens of one request, the KV that some of them see, and what all of them do. */
struct Tile {
  int kv_base;
  int kv_begin;
  int kv_end;
  int inner_begin;
  int inner_end;
  int kv_len; /* of the request */
  int first; /* token */
  int count;
};

//@if intervals > 1
//@use plan/selected
//@else
/* There are no lists. */
void take_list(const fi_plan_args &args, int request, Tile &tile) {}

fi_interval inner_of(const fi_plan_args &args, const Tile &tile, int kv_begin, int kv_end) {
  return {max(kv_begin, tile.inner_begin), min(kv_end, tile.inner_end)};
}
//@end

/* Tile `number` of a request. */
Tile tile_of_request(const fi_plan_args &args, int request, int number) {
  const int begin = first_token(args, request);
  const int end = first_token(args, request + 1);
  const int kv_len = kv_len_of(args, request);
  Tile result;
  result.kv_base = kv_base_of(args, request);
  result.first = begin + number * args.tile_tokens;
  result.count = min(args.tile_tokens, end - result.first);
  const int place = kv_len - (end - result.first);
  const fi_interval by_first = interval_of(args, request, kv_len, place);
  const fi_interval by_last = interval_of(args, request, kv_len, place + result.count - 1);
  const bool seen = max(0, by_first.first) < by_last.end;
  result.kv_begin = seen ? max(0, by_first.first) : 0;
  result.kv_end = seen ? by_last.end : 0;
  result.inner_begin = max(0, by_last.first);
  result.inner_end = max(0, by_first.end);
  result.kv_len = kv_len;
  take_list(args, request, result);
  return result;
}

Tile tile_of(const fi_plan_args &args, const int *tile_begin, int tile) {
  const int request = has_tile_each(args) ? tile : find_last(tile_begin, args.requests, tile);
  return tile_of_request(args, request, tile - tile_begin[request]);
}

/* Where the steps of a tile's KV begin. */
int first_of_steps(const fi_plan_args &args, const Tile &tile) {
  return tile.kv_begin / args.start_tokens * args.start_tokens;
}

/*
 * Steps of a tile on one head: those of its KV, one if it has none, in which its output is written; and before
 * them what beginning and ending a unit costs.
 */
int steps_of(const fi_plan_args &args, const Tile &tile) {
  const int tokens = tile.kv_end - first_of_steps(args, tile);
  return args.unit_steps + max(1, (tokens + args.step_tokens - 1) / args.step_tokens);
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

/* The bits of a query token; null if it belongs to nobody. */
const unsigned *bits_of_token(const fi_plan_args &args, int token) {
  return token < first_token(args, 0) ? nullptr : bits_of(args, request_of(args, token), token);
}

/* What a query token sees; nothing if it belongs to nobody. */
fi_interval interval_of_token(const fi_plan_args &args, int token) {
  if (token < first_token(args, 0))
    return {0, 0};
  const int request = request_of(args, token);
  const int kv_len = kv_len_of(args, request);
  return interval_of(args, request, kv_len, kv_len - (first_token(args, request + 1) - token));
}
