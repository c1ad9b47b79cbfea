//@use operand/convert

//# Q of f16.

float2 unpack_query(u32 word) {
  return unpack_f16(word);
}
