//@if wide_dims > 0
//@use operand/grouped
//@else
//@use operand/fp8

//# K and V of e4m3, converted to f16.

//@use operand/widen_e4m3

uint2 convert_four(u32 codes) {
  return widen_four(codes);
}

//@use operand/products8
//@end
