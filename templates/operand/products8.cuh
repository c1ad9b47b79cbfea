//@use ring/stages

//# What is the same for all 8-bit types once four elements are converted.

/* Element `dim` of a stored row. */
float stored_element(const u8 *row, u32 dim) {
  return unpack_compute(convert_four(row[dim]).x).x;
}

/* The 8 elements of which chunk `chunk` of a row of 16-bit elements consists, of a K tile. */
void read_key_chunk(float (&values)[8], const u8 *keys, u32 row, u32 chunk) {
  const uint2 codes = *(const uint2 *)(keys + chunk_at<kKeyPitch>(row, chunk / 2) + chunk % 2 * 8);
  const uint2 first = convert_four(codes.x);
  const uint2 second = convert_four(codes.y);
  unpack_chunk(values, make_uint4(first.x, first.y, second.x, second.y), unpack_compute);
}

//@if family == mma
//@if weight_exponent > 0
//@use operand/keys16
//@use operand/narrow_values
//@else
//@if rotates_keys
//@use operand/keys16
//@else
//@use operand/keys8
//@end
//@if v_bits == 4
//@use operand/values4
//@else
//@use operand/values8
//@end
//@end
//@end
