//@use ring/tiles
//@use operand/convert
//@use query/rope

/* Eight elements of chunk c of a row of a K tile. */
void read_key_chunk(float (&values)[8], const u8 *keys, u32 row, u32 chunk) {
//@if kv_bytes == 2
  const uint4 words = *(const uint4 *)(keys + kv_chunk(row, chunk));
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
//@else
  const uint2 codes = *(const uint2 *)(keys + kv_chunk(row, chunk / 2) + chunk % 2 * 8);
  const uint2 first = f16_of_fp8(codes.x);
  const uint2 second = f16_of_fp8(codes.y);
  const u32 pairs[4] = {first.x, first.y, second.x, second.y};
//@end
#pragma unroll
  for (int i = 0; i < 4; i++) {
//@if kv_dtype == bf16
    const float2 pair = unpack_bf16(pairs[i]);
//@else
    const float2 pair = unpack_f16(pairs[i]);
//@end
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

void write_key_chunk(u8 *rotated, u32 row, u32 chunk, const float (&values)[8]) {
  *(uint4 *)(rotated + wide_chunk(row, chunk)) =
      make_uint4(pack_compute(values[0], values[1]), pack_compute(values[2], values[3]),
                 pack_compute(values[4], values[5]), pack_compute(values[6], values[7]));
}

/*
 * Rotates the team's K tile, whose first token is `token`, into a tile of 16-bit rows. Ends with a barrier of the
 * team.
 */
void rotate_keys(u8 *rotated, const u8 *keys, int token) {
#pragma unroll 1
  for (u32 i = fresh_thread() % (32 * kRowWarps); i < kTeamTokens * kRowUnits; i += 32 * kRowWarps) {
    const u32 row = i / kRowUnits;
    const u32 unit = i % kRowUnits;
    const u32 chunk = unit_chunk(unit);
    float values[kUnitChunks][8];
    read_key_chunk(values[0], keys, row, chunk);
    if (unit < kRotatedUnits) {
//@if rope == half
      read_key_chunk(values[1], keys, row, chunk + kRotatedUnits);
//@end
      rotate_unit(values, unit, token + (int)row);
//@if rope == half
      write_key_chunk(rotated, row, chunk + kRotatedUnits, values[1]);
//@end
    }
    write_key_chunk(rotated, row, chunk, values[0]);
  }
  sync_team();
}
