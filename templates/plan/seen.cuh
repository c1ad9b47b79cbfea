//@use plan/requests

//# Which KV tokens query tokens see: an interval each, whose ends rise from token to token.

/* What the query token at a place of its request's KV sees by the mask alone. */
fi_interval seen_by_mask(const fi_plan_args &args, int kv_len, int place) {
  return {0, args.causal ? min(kv_len, place + 1) : kv_len};
}

//@if intervals
/* First KV token of a request that is seen, as the caller gives it. */
int given_kv_start(const fi_plan_args &args, int request) {
  return args.kv_start ? args.kv_start[request] : 0;
}

/* The one that counts. */
int kv_start_of(const fi_plan_args &args, int request) {
  return max(0, given_kv_start(args, request));
}

/* The last range of a request that begins at a place or before it; the number of its first one if there is none. */
int range_at(const fi_plan_args &args, int request, int place) {
  const int first = args.range_indptr[request];
  int low = first;
  int high = args.range_indptr[request + 1];
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    if (args.ranges[2 * middle] <= place)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* Adds the range that a place lies in to what it sees. */
void add_range(const fi_plan_args &args, int request, int kv_len, int place, fi_interval &seen) {
  if (args.range_indptr[request] >= args.range_indptr[request + 1])
    return;
  const int range = range_at(args, request, place);
  const int begin = args.ranges[2 * range];
  const int end = args.ranges[2 * range + 1];
  if (place < begin || place >= end)
    return;
  seen.first = min(seen.first, begin);
  seen.end = max(seen.end, min(kv_len, end));
}

/* What the query token at a place of its request's KV sees, by windows, chunks, ranges and the request's start. */
fi_interval interval_of(const fi_plan_args &args, int request, int kv_len, int place) {
  fi_interval seen = seen_by_mask(args, kv_len, place);
  if (!args.intervals)
    return seen;
  const int start = kv_start_of(args, request);
  if (args.window_left)
    seen.first = max(seen.first, place - args.window_left + 1);
  if (args.window_right)
    seen.end = (int)min((long long)seen.end, (long long)place + args.window_right);
  if (args.chunk && place < start)
    seen.end = min(seen.end, start);
  else if (args.chunk) {
    const int chunk = start + (place - start) / args.chunk * args.chunk;
    seen.first = max(seen.first, chunk);
    seen.end = (int)min((long long)seen.end, (long long)chunk + args.chunk);
  }
  if (args.ranges)
    add_range(args, request, kv_len, place, seen);
  seen.first = max(seen.first, start);
  return seen;
}

/* The first of a request's KV tokens that one of its query tokens sees: that of the first. */
int first_seen_of(const fi_plan_args &args, int request, int kv_len) {
  return args.intervals ? max(0, interval_of(args, request, kv_len, kv_len - query_len_of(args, request)).first) : 0;
}

/* The number of a request's first range that is empty, negative or not after the one before it; -1 if none is. */
int bad_range_of(const fi_plan_args &args, int request) {
  if (!args.ranges)
    return -1;
  int before = 0;
  for (int range = args.range_indptr[request]; range < args.range_indptr[request + 1]; range++) {
    if (args.ranges[2 * range] < before || args.ranges[2 * range + 1] <= args.ranges[2 * range])
      return range;
    before = args.ranges[2 * range + 1];
  }
  return -1;
}
//@else
/* KV is seen from its first token on. */
int given_kv_start(const fi_plan_args &args, int request) {
  return 0;
}

/* What the query token at a place of its request's KV sees. */
fi_interval interval_of(const fi_plan_args &args, int request, int kv_len, int place) {
  return seen_by_mask(args, kv_len, place);
}

/* The first of a request's KV tokens that one of its query tokens sees. */
int first_seen_of(const fi_plan_args &args, int request, int kv_len) {
  return 0;
}

/* There are no ranges. */
int bad_range_of(const fi_plan_args &args, int request) {
  return -1;
}
//@end

/* The bits of a query token of a request, by the KV tokens of the request. */
const unsigned *bits_of(const fi_plan_args &args, int request, int token) {
  const long long stride = args.mask_stride ? args.mask_stride : (kv_len_of(args, request) + 31) / 32;
  return args.mask_bits + args.mask_offsets[request] + (token - first_token(args, request)) * stride;
}
