//@use operand/convert

//# Q of bf16.

float2 unpack_query(u32 word) {
  return unpack_bf16(word);
}
