//@use operand/fp8
//@use operand/nibbles_int4

//# K and V of int4, converted to f16.

//@use operand/rows4
//@if rotates_keys
//@use operand/keys16
//@else
//@use operand/keys4
//@end
//@use operand/values4
