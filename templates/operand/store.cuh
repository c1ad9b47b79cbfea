//@use operand/convert
//@if rope != none
//@use query/rope
//@else

constexpr u32 kRowUnits = kHeadDim / 8;
//@end

/* What a value is multiplied with before it is stored; reading multiplies with the scale. */
float store_factor(const float *scales, int head) {
//@if kv_scale == none
  return 1;
//@end
//@if kv_scale == tensor
  return 1 / scales[0];
//@end
//@if kv_scale == head
  return 1 / scales[head];
//@end
}

/* Reads the 8 elements of chunk `chunk` of a new row. */
void read_chunk(float (&values)[8], const u16 *row, u32 chunk) {
  const uint4 words = *(const uint4 *)(row + chunk * 8);
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

//@if kv_bytes == 2
/* Writes the 8 elements of chunk `chunk` of a cached row. */
void write_chunk(u8 *row, u32 chunk, const float (&values)[8], float factor) {
  *(uint4 *)(row + chunk * 16) = make_uint4(pack_compute(values[0], values[1]), pack_compute(values[2], values[3]),
                                            pack_compute(values[4], values[5]), pack_compute(values[6], values[7]));
}
//@else
//@use operand/quantize
/* Writes the 8 elements of chunk `chunk` of a cached row. */
void write_chunk(u8 *row, u32 chunk, const float (&values)[8], float factor) {
  u32 pairs[4];
#pragma unroll
  for (int i = 0; i < 4; i++)
    pairs[i] = fp8_pair(values[2 * i] * factor, values[2 * i + 1] * factor);
  *(uint2 *)(row + chunk * 8) = make_uint2(pairs[0] | pairs[1] << 16, pairs[2] | pairs[3] << 16);
}
//@end

void store_chunk(u8 *to, const u16 *from, u32 chunk, float factor) {
  float values[8];
  read_chunk(values, from, chunk);
  write_chunk(to, chunk, values, factor);
}

//@if rope != none
/* Stores unit `unit` of a row of V: as it is. */
void store_value_unit(u8 *to, const u16 *from, u32 unit, float factor) {
  const u32 chunk = unit_chunk(unit);
  store_chunk(to, from, chunk, factor);
//@if rope == half
  if (unit < kRotatedUnits)
    store_chunk(to, from, chunk + kRotatedUnits, factor);
//@end
}

/* Stores unit `unit` of a row of K, rotated to its position. */
void store_key_unit(u8 *to, const u16 *from, u32 unit, float factor, int position) {
  const u32 chunk = unit_chunk(unit);
  float values[kUnitChunks][8];
  read_chunk(values[0], from, chunk);
  if (unit < kRotatedUnits) {
//@if rope == half
    read_chunk(values[1], from, chunk + kRotatedUnits);
//@end
    rotate_unit(values, unit, position);
//@if rope == half
    write_chunk(to, chunk + kRotatedUnits, values[1], factor);
//@end
  }
  write_chunk(to, chunk, values[0], factor);
}
//@end
