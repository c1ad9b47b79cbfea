//# Where rows of two KVs lie: each lane knows which one its row is of.

/* The row of a token and head of a second KV; `page` is that of the token. */
u8 *second_row(const fi_kv_args &kv, int page, int token, KvHead head) {
  const long long row = page * kv.page_stride + (u32)token % kSecondPage * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}

/* The lane's row of K or V in the next step, of the first KV or of the second. */
template <u32 kRowLanes>
RowPlaces row_places(const fi_kv_args &first, const fi_kv_args &second, const kv_loader &loader) {
  const int token = warp_token(loader) + (int)(fresh_lane() % kWarpTokens);
  return {second_loader_of(loader).is_second ? second_row(second, loader.page, token, loader.kv_head)
                                             : kv_row(first, loader.page, token, loader.kv_head)};
}

template <u32 kRowLanes> RowPlaces key_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.k, args.second_k, loader);
}

template <u32 kRowLanes> RowPlaces value_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.v, args.second_v, loader);
}
