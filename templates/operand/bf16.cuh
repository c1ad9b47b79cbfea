//@use operand/convert
//@use ring/stages

//# K and V of bf16, which the matrix instructions take as they are.

/* Two values as a pair of the type that the matrix instructions take, and back. */
u32 pack_compute(float low, float high) {
  return pack_bf16(low, high);
}

float2 unpack_compute(u32 word) {
  return unpack_bf16(word);
}

/* Element `dim` of a stored row. */
float stored_element(const u8 *row, u32 dim) {
  return unpack_compute(((const u16 *)row)[dim]).x;
}

/* The 8 elements of chunk `chunk` of a row of a K tile. */
void read_key_chunk(float (&values)[8], const u8 *keys, u32 row, u32 chunk) {
  unpack_chunk(values, *(const uint4 *)(keys + chunk_at<kKeyPitch>(row, chunk)), unpack_compute);
}

//@if family == mma
//@use operand/keys16
//@use operand/values16
//@end
