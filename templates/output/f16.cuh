//@use operand/convert

//# O of f16.

typedef u16 OutputElement;

/* Writes two elements of a row of O that lie next to each other. */
void write_output(OutputElement *to, float low, float high) {
  *(u32 *)to = pack_f16(low, high);
}

/* Writes four. */
void write_output(OutputElement *to, const float4 &values) {
  *(uint2 *)to = {pack_f16(values.x, values.y), pack_f16(values.z, values.w)};
}

/* Reads two elements of a row of O. */
float2 read_output(const OutputElement *from) {
  return unpack_f16(*(const u32 *)from);
}
