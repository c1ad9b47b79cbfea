//# Everything between storage types and the type that the matrix instructions compute in.

u32 pack_f16(float low, float high) {
  u32 word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

u32 pack_bf16(float low, float high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

float2 unpack_f16(u32 word) {
  float2 pair;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\ncvt.f32.f16 %0, low;\ncvt.f32.f16 %1, high;\n}"
      : "=f"(pair.x), "=f"(pair.y)
      : "r"(word));
  return pair;
}

float2 unpack_bf16(u32 word) {
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}

//@if kv_dtype == e4m3
//@if fp8_convert
/* Four e4m3 values as two pairs of f16. */
uint2 f16_of_fp8(u32 codes) {
  uint2 pairs;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\ncvt.rn.f16x2.e4m3x2 %1, high;\n}"
      : "=r"(pairs.x), "=r"(pairs.y)
      : "r"(codes));
  return pairs;
}
//@else
/*
 * A pair of f16 from two e4m3 codes, each in the upper byte of its half: the bits moved into f16's fields are the
 * value over 2^8, denormals included. The NaN code becomes 480.
 */
u32 f16_of_spread(u32 spread) {
  const u32 scaled = (spread & 0x80008000u) | ((spread & 0x7f007f00u) >> 1);
  u32 word;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(word) : "r"(scaled), "r"(0x5c005c00u));
  return word;
}

/* Four e4m3 values as two pairs of f16. */
uint2 f16_of_fp8(u32 codes) {
  return make_uint2(f16_of_spread(__byte_perm(codes, 0, 0x1404)), f16_of_spread(__byte_perm(codes, 0, 0x3424)));
}
//@end
//@end
//@if kv_dtype == e5m2
/* Four e5m2 values as two pairs of f16: e5m2 is the upper byte of f16. */
uint2 f16_of_fp8(u32 codes) {
  return make_uint2(__byte_perm(codes, 0, 0x1404), __byte_perm(codes, 0, 0x3424));
}
//@end

//@if kv_dtype == bf16
/* Two values as a pair of the type that the matrix instructions take. */
u32 pack_compute(float low, float high) {
  return pack_bf16(low, high);
}
//@else
/* Two values as a pair of the type that the matrix instructions take. */
u32 pack_compute(float low, float high) {
  return pack_f16(low, high);
}
//@end

//@if q_dtype == bf16
float2 unpack_query(u32 word) {
  return unpack_bf16(word);
}

u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}
//@else
float2 unpack_query(u32 word) {
  return unpack_f16(word);
}

u32 pack_output(float low, float high) {
  return pack_f16(low, high);
}
//@end
