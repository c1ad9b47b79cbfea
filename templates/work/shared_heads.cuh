//# Several tiles share the query heads of a KV head: the plan counts it once for each of them.

//@if page_size > 0
/* The row of a token and head; `page` is that of the token. */
u8 *kv_row(const fi_kv_args &kv, int page, int token, int head) {
  const long long row = page * kv.page_stride + (u32)token % kPageSize * kv.token_stride;
  return (u8 *)kv.data + (row + head / kGroupShares * kv.head_stride) * kKvBits / 8;
}
//@else
//@if index == dense
/* The row of a token and head; kv_base is the request. */
u8 *kv_row(const fi_kv_args &kv, int kv_base, int token, int head) {
  const long long row = kv_base * kv.page_stride + token * kv.token_stride;
  return (u8 *)kv.data + (row + head / kGroupShares * kv.head_stride) * kKvBits / 8;
}
//@else
/* The row of a token and head; kv_base is the request's first token. */
u8 *kv_row(const fi_kv_args &kv, int kv_base, int token, int head) {
  const long long row = ((long long)kv_base + token) * kv.token_stride;
  return (u8 *)kv.data + (row + head / kGroupShares * kv.head_stride) * kKvBits / 8;
}
//@end
//@end
