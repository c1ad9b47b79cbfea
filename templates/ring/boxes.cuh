//@use ptx/tensor_map
//@use ring/panels
//@use ring/barriers
//@use work/kv_address
//@use work/mask

//# The ring is filled by tensor maps: a warp of the producer copies boxes of KV tokens that lie in one page.

/* What products take beyond the head's dims is outside of the tensor, and copied as 0. */
void clear_tails(u8 *shared) {}

constexpr u32 kBoxes = kTeamTokens / kBoxTokens; /* of a stage: a lane has one */

/* Where a lane's box is, in the coordinates of the tensor maps. */
struct Box {
  int at;    /* token in its page or request; before the first one is nowhere, and the box is 0 */
  int place; /* page or request */
  bool cut;  /* some of its tokens are the item's, some are not */
};

//@if page_size > 0
/* The box of a token: in its page. */
Box box_of(const fi_plan_header &header, const fi_item &item, int token) {
  return {(int)((u32)token % kPageSize), kv_place(header, item.kv_base, token), false};
}
//@else
//@if index == dense
/* The box of a token: in its request. */
Box box_of(const fi_plan_header &header, const fi_item &item, int token) {
  return {token, item.kv_base, false};
}
//@else
/* The box of a token: among the tokens of all requests. */
Box box_of(const fi_plan_header &header, const fi_item &item, int token) {
  return {item.kv_base + token, 0, false};
}
//@end
//@end

/* The box whose first token is `token`, of an item that has tokens in [begin, end). */
Box find_box(const fi_plan_header &header, const fi_item &item, int token) {
  const int end = token + (int)kBoxTokens;
  if (token >= item.kv_end || end <= item.kv_begin)
    return {-(int)kBoxTokens, 0, false};
  Box box = box_of(header, item, token);
  box.cut = token < item.kv_begin || end > item.kv_end;
  return box;
}

/* What copies to a tile of K or V go by. */
struct TileCopy {
  const fi_tensor_map &boxes;
  const fi_tensor_map &tokens;
  u32 to;
  u64 *full;
  int head;
  int first_dim = 0; /* of the tile, in the tensor */
};

/* Copies the item's tokens of a box that has others too, one by one; `first` is the box's first token. */
template <u32 kDim> void copy_tokens(const TileCopy &copy, const fi_item &item, const Box &box, u32 number, int first) {
#pragma unroll 1
  for (u32 i = lane(); i < kBoxTokens * kPanels<kDim>; i += 32) {
    const u32 row = i % kBoxTokens;
    const u32 panel = i / kBoxTokens;
    const int token = first + (int)row;
    const bool is_there = token >= item.kv_begin && token < item.kv_end;
    copy_box(copy.to + panel * (kTeamTokens * kPanelRow) + (number * kBoxTokens + row) * kPanelRow, copy.tokens,
             copy.full, copy.first_dim + (int)(panel * kPanelDims), is_there ? box.at + (int)row : -1, copy.head,
             box.place);
  }
}

/* Copies the tile of K or V of a step, whose first token is `token`. */
template <u32 kDim> void copy_tile(const TileCopy &copy, const fi_item &item, const Box &box, int token) {
  if (lane() == 0)
    barrier_expect(copy.full, kTileBytes<kDim, kTeamTokens>);
  __syncwarp();
  if (lane() < kBoxes && !box.cut) {
#pragma unroll
    for (u32 panel = 0; panel < kPanels<kDim>; panel++)
      copy_box(copy.to + panel * (kTeamTokens * kPanelRow) + lane() * (kBoxTokens * kPanelRow), copy.boxes, copy.full,
               copy.first_dim + (int)(panel * kPanelDims), box.at, copy.head, box.place);
  }
#pragma unroll 1
  for (u32 left = __ballot_sync(kAllLanes, lane() < kBoxes && box.cut); left != 0; left &= left - 1) {
    const u32 number = __ffs(left) - 1;
    const Box one = {__shfl_sync(kAllLanes, box.at, number), __shfl_sync(kAllLanes, box.place, number), true};
    copy_tokens<kDim>(copy, item, one, number, token + (int)(number * kBoxTokens));
  }
}

//@if v_source == keys
//@use ring/parts
//@else
/* Brings K and V of all items of the CTA, from `next` on. */
void bring_kv(const fi_attention_maps_args &args, const fi_item *next, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Barriers &barriers = barriers_of(shared);
  const fi_plan_header &header = *args.attention.plan.header;
  Place<kStages> place = {0};
  for (;;) {
    const fi_item &item = *next;
#pragma unroll 1
    for (int token = first_of_steps(item.kv_begin); token < item.kv_end; token += (int)kTeamTokens) {
      const Box box = find_box(header, item, token + (int)(lane() % kBoxes * kBoxTokens));
      const TileCopy keys = {args.k, args.k_token, shared_address(keys_of_stage(shared, place.number())),
                             &barriers.keys_full[place.number()], item.kv_head};
      const TileCopy values = {args.v, args.v_token, shared_address(values_of_stage(shared, place.number())),
                               &barriers.values_full[place.number()], item.kv_head};
      barrier_wait(&barriers.keys_empty[place.number()], place.parity_before());
      copy_tile<kQkDim>(keys, item, box, token);
      barrier_wait(&barriers.values_empty[place.number()], place.parity_before());
      copy_tile<kVDim>(values, item, box, token);
      place = place.next();
    }
    if (item.next < 0)
      return;
    next = args.attention.plan.items + item.next;
  }
}
//@end
