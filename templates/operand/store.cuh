//@use operand/convert
//@use query/{q_dtype}
//@use query/rope_{rope}
//@use work/scales

//# New K and V go into the cache by chunks of 8 elements: K rotated, both converted to the type of the cache.

constexpr u32 kKeyUnits = kRowUnits<kQkDim>;

//@if v_source == keys
constexpr u32 kNewUnits = kKeyUnits; /* of a new token and head: those of its K, which has its V in it */
//@else
constexpr u32 kNewUnits = kKeyUnits + kVDim / 8; /* of a new token and head: those of its K, then the chunks of its V */
//@end

//@if kv_bits == 16
//@if kv_dtype == bf16
/* Writes the 8 elements of chunk `chunk` of a cached row. */
void write_chunk(u8 *row, u32 chunk, const float (&values)[8], float factor) {
  *(uint4 *)(row + chunk * 16) = pack_chunk(values, pack_bf16);
}
//@else
/* Writes the 8 elements of chunk `chunk` of a cached row. */
void write_chunk(u8 *row, u32 chunk, const float (&values)[8], float factor) {
  *(uint4 *)(row + chunk * 16) = pack_chunk(values, pack_f16);
}
//@end
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

/* Reads the 8 elements of chunk `chunk` of a new row. */
void read_chunk(float (&values)[8], const u16 *row, u32 chunk) {
  unpack_chunk(values, *(const uint4 *)(row + chunk * 8), unpack_query);
}

/* What new values are multiplied with: finite however small the scale is, so that zeros stay zeros. */
float store_factor(float scale) {
  return fminf(1 / scale, 3.40282347e38f);
}

//@if rotates_pairs
//@use operand/store_pairs
//@else
/* Stores unit `unit` of a row of K, rotated. What is read is multiplied with the scale. */
void store_key_unit(u8 *to, const u16 *from, u32 unit, float scale, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) { read_chunk(values, from, chunk); };
  const auto store = [&](const float(&values)[8], u32 chunk) { write_chunk(to, chunk, values, store_factor(scale)); };
  rotate_unit(unit, by, load, store);
}
//@end

/* Stores chunk `chunk` of a row of V. */
void store_value_chunk(u8 *to, const u16 *from, u32 chunk, float scale) {
  float values[8];
  read_chunk(values, from, chunk);
  write_chunk(to, chunk, values, store_factor(scale));
}
