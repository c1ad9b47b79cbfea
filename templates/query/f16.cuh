//@use operand/convert

//# Q and O of f16.

float2 unpack_query(u32 word) {
  return unpack_f16(word);
}

u32 pack_output(float low, float high) {
  return pack_f16(low, high);
}
