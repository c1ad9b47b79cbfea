//@use plan/batch

//# An order of requests in which those that share most are neighbours. Every CTA of the plan finds the same.

/* Arrays in shared memory. */
struct Order {
  int *place;  /* [requests] of each request, with `common` what is found */
  int *common; /* [requests + 1] by place: pages in common with the request before it */
  int *begin;  /* [requests + 1] for prefix sums, two of them */
  int *alone;
  int *room; /* after them: for who finds the order, and then for the tree */
};

/* Takes some elements of the room. */
int *take(int *&room, int count) {
  int *taken = room;
  room += count;
  return taken;
}

Order room_for_order(const fi_plan_args &args, int *room) {
  Order order;
  const int size = args.requests + 1;
  order.place = take(room, size);
  order.common = take(room, size);
  order.begin = take(room, size);
  order.alone = take(room, size);
  order.room = room;
  return order;
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

/* Words of a page id. */
int id_words(const fi_plan_args &args) {
  return args.page_ids / 4;
}

/* A request's page ids, as words. */
const u32 *words_of_pages(const fi_plan_args &args, int request) {
  const long long entry = args.csr ? args.kv_indptr[request] : request * args.page_table_stride;
  return (const u32 *)args.page_table + entry * id_words(args);
}

/* A page as it is compared with others. */
int shared_page(const fi_plan_args &args, int request, int number) {
  return (int)(words_of_pages(args, request)[(long long)number * id_words(args)] & 0x7fffffff);
}
