//@use plan/prefix_sum

//# What the batch says of a request. Lengths beyond the workspace's bounds are cut to them.

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

int kv_base_of(const fi_plan_args &args, int request) {
  return args.csr ? args.kv_indptr[request] : request;
}

/* An entry of a page table. */
long long id_at(const fi_plan_args &args, const void *table, long long entry) {
  return args.page_ids == 8 ? ((const long long *)table)[entry] : ((const int *)table)[entry];
}

/* Pages of so many tokens, up to INT_MAX. */
int pages_of(int tokens, int page_size) {
  return tokens / page_size + (tokens % page_size > 0 ? 1 : 0);
}

/* Page `number` of a request. */
long long page_id(const fi_plan_args &args, int request, int number) {
  const long long entry = number + (args.csr ? args.kv_indptr[request] : request * args.page_table_stride);
  return id_at(args, args.page_table, entry);
}

/* The first page from `first` on whose id is not below `count`; `end` if there is none. All lanes of a warp look. */
template <typename Id> int first_bad_page(int first, int end, int count, Id id) {
  int first_bad = end;
  for (u32 page = (u32)first + lane(); page < (u32)end && first_bad == end; page += 32) {
    const long long found = id((int)page);
    if (found < 0 || found >= count)
      first_bad = (int)page;
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    first_bad = min(first_bad, __shfl_xor_sync(kAllLanes, first_bad, distance));
  return first_bad;
}
