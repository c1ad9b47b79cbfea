//@if wide_dims > 0
//@use operand/grouped
//@else
//@use operand/fp8

//# K and V of e4m3, converted to f16.

//@use operand/widen_e4m3

//@use operand/products8
//@end
