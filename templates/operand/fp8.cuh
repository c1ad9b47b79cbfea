//@use operand/convert

//# What 8-bit floating point types of K and V have in common: the matrix instructions take f16, which has all values.

/* Two values as a pair of the type that the matrix instructions take, and back. */
u32 pack_compute(float low, float high) {
  return pack_f16(low, high);
}

float2 unpack_compute(u32 word) {
  return unpack_f16(word);
}
