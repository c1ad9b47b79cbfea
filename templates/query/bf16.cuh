//@use operand/convert

//# Q and O of bf16.

float2 unpack_query(u32 word) {
  return unpack_bf16(word);
}

u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}
