//@use ptx/tensor_map
//@use ring/panels
//@use work/item_ring
//@use work/kv_address
//@use work/mask

//# The ring is filled by tensor maps: a warp of the producer copies boxes of KV tokens that lie in one page. What
//# products take beyond the head's dims is outside of the tensor, and copied as 0.

constexpr u32 kBoxes = kTeamTokens / kBoxTokens; /* of a stage: a lane has one */

/*
 * Where a box is, or a part of one, in the coordinates of the tensor maps. A map shows as many tokens at a time as its
 * boxes have: a window. What a box has outside of it is 0. So a box in which the item begins has a window that begins
 * there, and one in which it ends has one that ends there.
 */
struct Box {
  int at;     /* its first token in the window */
  int window; /* where that begins, in the page or the request, or among all tokens */
  int place;  /* page or request */
  bool split; /* no window does: it is copied in smaller boxes */
};

//@if page_size > 0
/* The page of a token. */
int place_of(const fi_plan_header &header, const fi_item &item, int token) {
  return kv_place(header, item.kv_base, token);
}

/* The box that begins at a token: in its page. */
Box box_at(const fi_item &item, int token, int place) {
  return {0, (int)((u32)token % kPageSize), place, false};
}
//@else
//@if index == dense
/* The request of a token. */
int place_of(const fi_plan_header &header, const fi_item &item, int token) {
  return item.kv_base;
}

/* The box that begins at a token: in its request. */
Box box_at(const fi_item &item, int token, int place) {
  return {0, token, place, false};
}
//@else
/* All requests are at one place. */
int place_of(const fi_plan_header &header, const fi_item &item, int token) {
  return 0;
}

/* The box that begins at a token: among the tokens of all requests. */
Box box_at(const fi_item &item, int token, int place) {
  return {0, item.kv_base + token, place, false};
}
//@end
//@end

template <u32 kSize> bool is_outside(const fi_item &item, int token) {
  return token >= item.kv_end || token + (int)kSize <= item.kv_begin;
}

/* Of a box whose first token is `token` what belongs to the item. No window begins before a page or a request does. */
template <u32 kSize> Box crop(const Box &box, const fi_item &item, int token) {
  if (is_outside<kSize>(item, token))
    return {(int)kSize, 0, 0, false};
  const int before = max(0, item.kv_begin - token);
  const int after = max(0, token + (int)kSize - item.kv_end);
  if (after > 0 && (before > 0 || box.window < after))
    return {0, box.window, box.place, true};
  return {after - before, box.window + before - after, box.place, false};
}

/* What copies to a tile of K or V go by: maps of boxes, of their parts, and of single tokens. */
struct TileCopy {
  const fi_tensor_map &boxes;
  const fi_tensor_map &parts;
  const fi_tensor_map &tokens;
  u32 to;
  u64 *full;
  int head;
  int first_dim = 0; /* of the tile, in the tensor */
};

//@if page_size == 0 && index == csr
/* Copies panel `panel` of a box that begins in row `row` of the tile; all requests are at one place. */
void copy_panel(const TileCopy &copy, const fi_tensor_map &map, u32 row, u32 panel, const Box &box) {
  copy_box(copy.to + panel * (kTeamTokens * kPanelRow) + row * kPanelRow, map, copy.full,
           copy.first_dim + (int)(panel * kPanelUnits), box.at, copy.head, box.window);
}
//@else
/* Copies panel `panel` of a box that begins in row `row` of the tile. */
void copy_panel(const TileCopy &copy, const fi_tensor_map &map, u32 row, u32 panel, const Box &box) {
  copy_box(copy.to + panel * (kTeamTokens * kPanelRow) + row * kPanelRow, map, copy.full,
           copy.first_dim + (int)(panel * kPanelUnits), box.at, copy.head, box.window, box.place);
}
//@end

/*
 * Copies a box, which begins at `token` and in row `row`, in parts, and the part that the item ends in by tokens where
 * it must.
 */
template <u32 kDim>
void copy_parts(const TileCopy &copy, const fi_item &item, const Box &box, u32 row, int token) {
#pragma unroll 1
  for (u32 i = lane(); i < kBoxTokens / kPartTokens * kStoredPanels<kDim>; i += 32) {
    const int first = (int)(i / kStoredPanels<kDim> * kPartTokens);
    const Box part = crop<kPartTokens>({0, box.window + first, box.place, false}, item, token + first);
    if (!part.split)
      copy_panel(copy, copy.parts, row + first, i % kStoredPanels<kDim>, part);
  }
  const int last = (item.kv_end - 1 - token) / (int)kPartTokens * (int)kPartTokens;
  if (!crop<kPartTokens>({0, box.window + last, box.place, false}, item, token + last).split)
    return;
#pragma unroll 1
  for (u32 i = lane(); i < kPartTokens * kStoredPanels<kDim>; i += 32) {
    const int at = last + (int)(i / kStoredPanels<kDim>);
    const Box one = crop<1>({0, box.window + at, box.place, false}, item, token + at);
    copy_panel(copy, copy.tokens, row + at, i % kStoredPanels<kDim>, one);
  }
}

/* Copies the tile of a step, whose first token is `token`; each lane has one box. */
template <u32 kDim> void copy_tile(const TileCopy &copy, const fi_item &item, const Box &box, int token) {
  if (lane() == 0)
    barrier_expect(copy.full, kStoredBytes<kDim>);
  __syncwarp();
  if (lane() < kBoxes && !box.split) {
#pragma unroll
    for (u32 panel = 0; panel < kStoredPanels<kDim>; panel++)
      copy_panel(copy, copy.boxes, lane() * kBoxTokens, panel, box);
  }
#pragma unroll 1
  for (u32 left = __ballot_sync(kAllLanes, lane() < kBoxes && box.split); left != 0; left &= left - 1) {
    const u32 number = __ffs(left) - 1;
    const Box one = {0, __shfl_sync(kAllLanes, box.window, number), __shfl_sync(kAllLanes, box.place, number), true};
    copy_parts<kDim>(copy, item, one, number * kBoxTokens, token + (int)(number * kBoxTokens));
  }
}

/* First token of the lane's box of the step whose first token is `token`. */
int token_of_box(int token) {
  return token + (int)(lane() % kBoxes * kBoxTokens);
}

/* Where the lane's box of a step is: what must be looked up for it. */
int place_of_box(const fi_attention_args &args, const fi_item &item, int token) {
  const int first = token_of_box(token);
  return is_outside<kBoxTokens>(item, first) ? 0 : place_of(*args.plan.header, item, first);
}

/* The lane's box of the step whose first token is `token`. */
Box box_of_step(const fi_item &item, int token, int place) {
  const int first = token_of_box(token);
  return crop<kBoxTokens>(box_at(item, first, place), item, first);
}

//@if v_source == keys
//@use ring/parts
//@else
//@if q_dtype == e4m3
//@use ring/turn
//@else
//@if converts
//@use ring/convert
//@else
/* What brings the tiles of K, or of V: a warp. */
struct Loader {
  TileCopy copy; /* to the first stage */
  u64 *empty;
};

/* Brings K or V of all items of the CTA, from `first` on. Where the boxes of a step are is looked up a step ahead. */
template <u32 kDim>
void bring_tiles(const Loader &loader, const fi_attention_args &args, const fi_item *first, u8 *shared) {
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    int box_place = place_of_box(args, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const int following = place_of_box(args, item, token + (int)kTeamTokens);
      TileCopy copy = loader.copy;
      copy.to += place.number() * kStoredBytes<kDim>;
      copy.full += place.number();
      copy.head = KvHead(item.kv_head);
      barrier_wait(&loader.empty[place.number()], place.parity_before());
      copy_tile<kDim>(copy, item, box_of_step(item, token, box_place), token);
      place = place.next();
      box_place = following;
    }
  } while (goes_on(at, shared));
}

/* Brings K and V of all items of the CTA, from `first` on: one warp has K, one V. */
void bring_kv(const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 keys = shared_address(keys_of_stage(shared, 0));
  const u32 values = shared_address(values_of_stage(shared, 0));
  if (warp() == kLoaderWarp)
    bring_tiles<kQkDim>({{args.k, args.k_part, args.k_token, keys, barriers.keys_full, 0}, barriers.keys_empty},
                        args.attention, first, shared);
  else
    bring_tiles<kVDim>({{args.v, args.v_part, args.v_token, values, barriers.values_full, 0}, barriers.values_empty},
                       args.attention, first, shared);
}
//@end
//@end
//@end
