//# Where a KV row lies. Used by attention (reading) and append (writing); both have the strides in their arguments.

//@if page_size > 0
/* The page of a token. kv_base is the request (dense page table) or its first entry in the list of all pages (CSR). */
__device__ __forceinline__ int page_of(const int *page_table, long long page_table_stride, int kv_base, int token) {
//@if index == dense
  return page_table[kv_base * page_table_stride + (u32)token / kPageSize];
//@else
  return page_table[(long long)kv_base + (u32)token / kPageSize];
//@end
}

/* Byte offset of the row of a token and head in the cache; `page` is that of the token. */
template <typename Args>
__device__ __forceinline__ long long kv_row_offset(const Args &args, int page, int token, int head) {
  const long long row = page * args.kv_page_stride + (u32)token % kPageSize * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@else
//@if index == dense
/* Byte offset of the row of a token and head in the cache; kv_base is the request. */
template <typename Args>
__device__ __forceinline__ long long kv_row_offset(const Args &args, int kv_base, int token, int head) {
  const long long row = kv_base * args.kv_page_stride + token * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@else
/* Byte offset of the row of a token and head in the cache; kv_base is the request's first token. */
template <typename Args>
__device__ __forceinline__ long long kv_row_offset(const Args &args, int kv_base, int token, int head) {
  const long long row = ((long long)kv_base + token) * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}
//@end
//@end
