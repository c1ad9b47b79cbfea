//@use plan/prefix_sum

//# What the batch says of a request, a tile, a token. Lengths beyond the workspace's bounds are cut to them.

/* Index of a request's first query token; requests themselves when every one has a single token. */
int first_token(const fi_plan_args &args, int request) {
  return min(args.q_indptr ? args.q_indptr[request] : request, args.max_tokens);
}

int kv_len_of(const fi_plan_args &args, int request) {
  const int length = args.kv_len ? args.kv_len[request] : args.kv_indptr[request + 1] - args.kv_indptr[request];
  return max(0, min(length, args.max_kv_len));
}

int kv_base_of(const fi_plan_args &args, int request) {
  return args.csr ? args.kv_indptr[request] : request;
}

int tiles_of(const fi_plan_args &args, int request) {
  const int tokens = first_token(args, request + 1) - first_token(args, request);
  return (tokens + args.tile_tokens - 1) / args.tile_tokens;
}

/* Consecutive query tokens of one request, and the KV that the last of them sees. */
struct Tile {
  int kv_base;
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
  result.kv_end = args.causal ? max(0, kv_len - (end - result.first - result.count)) : kv_len;
  return result;
}

/* KV tokens of a step of the plan: what a CTA computes at once, or a fixed piece. */
int step_tokens(const fi_plan_args &args) {
  return args.step_tokens * max(1, args.split_steps);
}

/*
 * Steps of a tile on one head: those of its KV, one if it has none, in which its output is written; and before
 * them what beginning and ending a unit costs.
 */
int steps_of(const fi_plan_args &args, const Tile &tile) {
  return args.unit_steps + max(1, (tile.kv_end + step_tokens(args) - 1) / step_tokens(args));
}

fi_row row_of_token(const fi_plan_args &args, int token) {
  const int request = args.q_indptr ? find_last(args.q_indptr, args.requests, token) : token;
  const int left = first_token(args, request + 1) - token;
  const int place = (token - first_token(args, request)) % args.tile_tokens;
  return {token, kv_len_of(args, request) - left, kv_base_of(args, request), place * args.group};
}
