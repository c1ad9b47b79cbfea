//@use operand/{q_dtype}
//@use operand/widen_e4m3
//@use work/scales
//@use work/kv_address

//# K of e4m3 with scales of groups, whose last dims are of the type of Q: what its elements are worth, in that type.

constexpr u32 kScaleGroups = kCodeDims / kScaleGroup; /* of a row */

//@if kv_scale == e8m0
/* Scale `group` of a row: a power of two, or NaN. */
float group_scale(const u8 *scales, u32 group) {
  const u32 exponent = scales[group];
  return __uint_as_float(exponent == 0 ? 0x400000 : exponent == 255 ? 0x7fffffff : exponent << 23);
}
//@else
/* Scale `group` of a row. */
float group_scale(const u8 *scales, u32 group) {
  return ((const float *)scales)[group];
}
//@end

/* Four elements, scaled, as pairs of the type to compute in. */
uint2 scaled_four(u32 codes, float scale) {
  const uint2 pairs = widen_four(codes);
  const float2 first = unpack_f16(pairs.x);
  const float2 second = unpack_f16(pairs.y);
  return make_uint2(pack_compute(first.x * scale, first.y * scale), pack_compute(second.x * scale, second.y * scale));
}

/* A row of K in the cache. */
struct StoredRow {
  const u8 *codes;
  const u8 *scales;
  const u8 *wide;
};

StoredRow stored_key(const fi_attention_args &args, int place, int token, KvHead head) {
  const long long scales = scale_index(args.k, place, token, head) * kKeyScaleElement;
  return {kv_row(args.k, place, token, head), (const u8 *)args.k.scales + scales, kv_row(args.v, place, token, head)};
}

/* V is in it. */
StoredRow stored_value(const fi_attention_args &args, int place, int token, KvHead head) {
  return stored_key(args, place, token, head);
}

/* Element `dim` of a stored row. */
float stored_element(const StoredRow &row, u32 dim) {
  if (dim >= kCodeDims)
    return stored_element(row.wide, dim - kCodeDims);
  return unpack_compute(scaled_four(row.codes[dim], group_scale(row.scales, dim / kScaleGroup)).x).x;
}
