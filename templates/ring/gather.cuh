//@use ring/panels
//@use work/item_ring
//@use work/kv_address
//@use work/mask
//@use ptx/warpgroup

//# The ring is filled row by row, wherever pages are. Two warps of the producer share the rows. V of a step is copied
//# after K of the next one, in the order in which they are used.

constexpr u32 kSlices = kTeamTokens / 32; /* a lane looks up one row of each */

/* A step of an item: where the rows of its tokens are. */
struct Step {
  int token; /* the first */
  int begin; /* tokens of the item: from here */
  int end;   /* to before here */
  int head;
  int places[kSlices];
};

Step find_step(const fi_plan_header &header, const fi_item &item, int token) {
  Step step = {token, item.kv_begin, item.kv_end, item.kv_head, {}};
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int row = max(item.kv_begin, min(token + (int)(32 * s + lane()), item.kv_end - 1));
    step.places[s] = kv_place(header, item.kv_base, row);
  }
  return step;
}

//@if converts
//@use ring/rows_converted
//@else
//@use ring/rows_copied
//@end

/* Brings K and V of an item; the copies have ended in the end, since consumers wait for them before there is a next. */
void bring_item(Progress &progress, const fi_attention_args &args, const fi_item &item, Barriers &barriers,
                u8 *shared) {
  Step last = {};
#pragma unroll 1
  for (int token = first_of_steps(item.kv_begin); token < item.kv_end; token += (int)kTeamTokens) {
    const Step step = find_step(*args.plan.header, item, token);
    begin_keys(progress, args, step, barriers, shared);
    if (last.end > 0)
      begin_values(progress, args, last, barriers, shared);
    last = step;
  }
  if (last.end > 0)
    begin_values(progress, args, last, barriers, shared);
  end_copies<0>(progress, barriers, shared);
}

/* Brings K and V of all items of the CTA, from `first` on. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  Progress progress = {};
  Follower at = {{0}, first};
  do
    bring_item(progress, maps.attention, *at.item, barriers_of(shared), shared);
  while (goes_on(at, shared));
}
