//@use operand/{kv_dtype}
//@use tile/rows

/* Pair p of row group r of O. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  return make_float2(at(o, r, pair_element(p, 0)), at(o, r, pair_element(p, 1)));
}
