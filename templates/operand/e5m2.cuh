//@use operand/fp8

//# K and V of e5m2, converted to f16.

/* Four e5m2 values as two pairs of f16: e5m2 is the upper byte of f16. */
uint2 convert_four(u32 codes) {
  return make_uint2(__byte_perm(codes, 0, 0x1404), __byte_perm(codes, 0, 0x3424));
}

//@use operand/products8
