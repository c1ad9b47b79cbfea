//@use work/kv_address

//# Positions of keys from an array.

//@if page_size > 0
/* Where the position of a token is in the array; `page` is that of the token. */
long long key_slot(const fi_rope_args &rope, int page, int token) {
  return page * rope.key_page_stride + (u32)token % kPageSize;
}
//@else
//@if index == dense
/* Where the position of a token of a request is in the array. */
long long key_slot(const fi_rope_args &rope, int request, int token) {
  return request * rope.key_page_stride + token;
}
//@else
/* Where the position of a token is in the array; `first` is the request's first one. */
long long key_slot(const fi_rope_args &rope, int first, int token) {
  return (long long)first + token;
}
//@end
//@end

/* The position of a token of an item. What is copied beside the item's tokens has none. */
Position listed_position(const fi_attention_args &args, const fi_item &item, int token) {
  const int at = max(item.kv_begin, min(token, item.kv_end - 1));
  const int place = kv_place(*args.plan.header, item.kv_base, at);
  return position_at(args.rope.key_positions, args.rope.key_position_stride, key_slot(args.rope, place, at));
}

//@if rope_axes == 3
/* What K of a token of an item is rotated by. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return rotation_to(args.rope, listed_position(args, item, token));
}
//@else
/* What K of a token of an item is rotated by: its index where no positions are listed. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return rotation_to(args.rope, args.rope.key_positions ? listed_position(args, item, token) : token);
}
//@end
