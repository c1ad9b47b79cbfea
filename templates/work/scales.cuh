//# What K and V of a head are multiplied with.

//@if kv_scale == none
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
float scale_of(const fi_kv_args &kv, int kv_head) {
  return kv.scales[kv_head];
}
//@end
