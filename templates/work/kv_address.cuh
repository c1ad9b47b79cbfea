//# Where a KV row lies. Used by attention (reading) and append (writing); of K or of V.

//@use work/kv_head

//@if page_ids == int64
typedef long long PageId;
//@else
typedef int PageId;
//@end

//@if index == dense
/* The page ids of a request, first token's first. */
const PageId *pages_of(const fi_plan_header &header, int kv_base) {
  return (const PageId *)header.page_table + kv_base * header.page_table_stride;
}
//@else
/* The page ids of a request, first token's first. */
const PageId *pages_of(const fi_plan_header &header, int kv_base) {
  return (const PageId *)header.page_table + kv_base;
}
//@end

//@if page_size > 0
/* What kv_row finds a token of a request by: its page. */
int kv_place(const fi_plan_header &header, int kv_base, int token) {
  return (int)pages_of(header, kv_base)[(u32)token / kPageSize];
}

/* The row of a token and head; `page` is that of the token. */
u8 *kv_row(const fi_kv_args &kv, int page, int token, KvHead head) {
  const long long row = page * kv.page_stride + (u32)token % kPageSize * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}
//@else
/* What kv_row finds a token of a request by: where the KV of the request is. */
int kv_place(const fi_plan_header &header, int kv_base, int token) {
  return kv_base;
}

//@if index == dense
/* The row of a token and head; kv_base is the request. */
u8 *kv_row(const fi_kv_args &kv, int kv_base, int token, KvHead head) {
  const long long row = kv_base * kv.page_stride + token * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}
//@else
/* The row of a token and head; kv_base is the request's first token. */
u8 *kv_row(const fi_kv_args &kv, int kv_base, int token, KvHead head) {
  const long long row = ((long long)kv_base + token) * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}
//@end
//@end
