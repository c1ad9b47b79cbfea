//# Where a KV row lies. Used by attention (reading) and append (writing); both have the strides in their arguments.

//@if page_size > 0
/* The page ids of a request, first token's first. */
const int *pages_of(const fi_plan_header &header, int kv_base) {
//@if index == dense
  return header.page_table + kv_base * header.page_table_stride;
//@else
  return header.page_table + kv_base;
//@end
}

/* Byte offset of the row of a token and head in the cache; `page` is that of the token. */
template <typename Args>
long long kv_row_offset(const Args &args, int page, int token, int head) {
  const long long row = page * args.kv_page_stride + (u32)token % kPageSize * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@else
//@if index == dense
/* Byte offset of the row of a token and head in the cache; kv_base is the request. */
template <typename Args>
long long kv_row_offset(const Args &args, int kv_base, int token, int head) {
  const long long row = kv_base * args.kv_page_stride + token * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@else
/* Byte offset of the row of a token and head in the cache; kv_base is the request's first token. */
template <typename Args>
long long kv_row_offset(const Args &args, int kv_base, int token, int head) {
  const long long row = ((long long)kv_base + token) * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@end
//@end
