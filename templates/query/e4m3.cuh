//@use operand/convert

//# Q of e4m3, which is f16 in its tile: f16 has all its values.

float2 unpack_query(u32 word) {
  return unpack_f16(word);
}
