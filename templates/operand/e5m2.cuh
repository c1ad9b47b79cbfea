//@use operand/fp8

//# K and V of e5m2, converted to f16.

/* Four e5m2 values as two pairs of f16: e5m2 is the upper byte of f16. */
uint2 convert_four(u32 codes) {
  return make_uint2(__byte_perm(codes, 0, 0x1404), __byte_perm(codes, 0, 0x3424));
}

/* An element is infinite or NaN when its magnitude, below the sign, and this give a carry. */
constexpr u32 kMagnitudes = 0x7f7f7f7fu;
constexpr u32 kToOdd = 0x04040404u;

//@use operand/products8
