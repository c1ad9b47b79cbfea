//@use ring/boxes

//# Each stage of K, which has V in it, comes in parts with barriers of their own: products begin with the first, and a
//# part is brought anew when those that read it have ended, whatever becomes of the others.

/* Copies part `part` of a step, of kDim dims, once there is room. */
template <u32 kDim>
void bring_part(const fi_attention_maps_args &args, const fi_item &item, const Box &box, const Place<kStages> &place,
                u32 part, int token, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const KvHead head = item.kv_head;
  const TileCopy copy = {args.k,
                         args.k_part,
                         args.k_token,
                         shared_address(part_of_stage(shared, place.number(), part)),
                         &barriers.keys_full[place.number()][part],
                         head,
                         (int)(part * (kVDim / 2))};
  barrier_wait(&barriers.keys_empty[place.number()][part], place.parity_before());
  copy_tile<kDim>(copy, item, box, token);
}

/* Brings K of all items of the CTA, from `first` on. Where the box of a step is is looked up a step ahead. */
void bring_kv(const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    int box_place = place_of_box(args.attention, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const Box box = box_of_step(item, token, box_place);
      box_place = place_of_box(args.attention, item, token + (int)kTeamTokens);
      for (u32 part = 0; part < kRest; part++)
        bring_part<kVDim / 2>(args, item, box, place, part, token, shared);
      bring_part<kQkDim - kVDim>(args, item, box, place, kRest, token, shared);
      place = place.next();
    }
  } while (goes_on(at, shared));
}
