//@use work/kv_head

//# What K and V of a head are multiplied with.

//@if kv_scale != tensor && kv_scale != head
/* The scale of K or V of a head. */
float scale_of(const fi_kv_args &kv, int kv_head) {
  return 1;
}
//@end
//@if kv_scale == tensor
/* The scale of K or V of a head. */
float scale_of(const fi_kv_args &kv, int kv_head) {
  return kv.scales[0];
}
//@end
//@if kv_scale == head
/* The scale of K or V of a head. */
float scale_of(const fi_kv_args &kv, KvHead kv_head) {
  return kv.scales[kv_head];
}
//@end

//@if copies_scales
//@if page_size > 0
/* Which scale is the first of a token and head; `place` is that of the token's rows (see kv_row). */
long long scale_index(const fi_kv_args &kv, int place, int token, KvHead head) {
  return place * kv.scale_page_stride + (u32)token % kPageSize * kv.scale_token_stride + head * kv.scale_head_stride;
}
//@else
//@if index == dense
/* Which scale is the first of a token and head; `place` is that of the token's rows (see kv_row). */
long long scale_index(const fi_kv_args &kv, int place, int token, KvHead head) {
  return place * kv.scale_page_stride + token * kv.scale_token_stride + head * kv.scale_head_stride;
}
//@else
/* Which scale is the first of a token and head; `place` is that of the token's rows (see kv_row). */
long long scale_index(const fi_kv_args &kv, int place, int token, KvHead head) {
  return ((long long)place + token) * kv.scale_token_stride + head * kv.scale_head_stride;
}
//@end
//@end
//@end
