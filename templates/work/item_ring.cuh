//@use ring/barriers
//@use work/item

//# The items of a CTA in shared memory. A warp of the producer brings one after the other, with its rows, while there
//# is a place; the other warps follow it.

ItemTile *item_tiles(u8 *shared) {
  return (ItemTile *)(shared + kSharedItems);
}

/*
 * Claims the next item of the queue for the CTA; -1 when there is none. Every CTA claims until it gets none, so the
 * last claim of a launch is known, and makes the queue ready for the next.
 */
int claim(Threads<32> threads, fi_queue &queue) {
  int number = 0;
  if (threads.leads()) {
    number = atomicAdd(&queue.next, 1);
    if (number == queue.first + queue.count - 1)
      atomicExch(&queue.next, queue.first);
  }
  number = __shfl_sync(kAllLanes, number, 0);
  return number < queue.count ? number : -1;
}

/* The item that `next` of the one before it says; null after the last. */
const fi_item *item_after(Threads<32> threads, const fi_plan_arrays &plan, int next) {
  const int number = next == FI_NEXT_CLAIMED ? claim(threads, *plan.queue) : next;
  return number < 0 ? nullptr : plan.items + number;
}

/* Brings the item after that whose `next` is given, or the first, to its place; after the last one of no rows. */
const fi_item *bring_item(Threads<32> threads, const fi_attention_args &args, const fi_item *first, int &next,
                          const Place<kItemsAhead> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  ItemTile &tile = item_tiles(shared)[place.number()];
  barrier_wait(&barriers.rows_empty[place.number()], place.parity_before());
  const fi_item *item = place.count > 0 ? item_after(threads, args.plan, next) : first;
  if (item) {
    stage_item(threads, tile, args, *item);
    next = item->next;
  } else if (threads.leads()) {
    tile.item.row_count = 0;
  }
  threads.sync();
  if (threads.leads())
    barrier_arrive(&barriers.rows_full[place.number()]);
  return item;
}

//@if query_alone
/* Brings the items of the CTA, from `item` on. */
void bring_items(Threads<32> threads, const fi_attention_args &args, const fi_item *item, u8 *shared) {
  int next = 0;
  for (Place<kItemsAhead> place = {0}; item; place = place.next())
    item = bring_item(threads, args, item, next, place, shared);
}
//@end

/* An item that a warp of the producer is at: the first is known before it is in shared memory. */
struct Follower {
  Place<kItemsAhead> place;
  const fi_item *item;
};

/* Leaves an item for the next, if there is one. */
bool goes_on(Follower &follower, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  release(&barriers.rows_empty[follower.place.number()]);
  follower.place = follower.place.next();
  barrier_wait(&barriers.rows_full[follower.place.number()], follower.place.parity());
  follower.item = &item_tiles(shared)[follower.place.number()].item;
  return follower.item->row_count > 0;
}
