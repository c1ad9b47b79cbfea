//# O of f32.

typedef float OutputElement;

/* Writes two elements of a row of O that lie next to each other. */
void write_output(OutputElement *to, float low, float high) {
  *(float2 *)to = make_float2(low, high);
}

/* Writes four. */
void write_output(OutputElement *to, const float4 &values) {
  *(float4 *)to = values;
}

/* Reads two elements of a row of O. */
float2 read_output(const OutputElement *from) {
  return *(const float2 *)from;
}
