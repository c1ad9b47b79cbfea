//# Where the elements of an accumulator lie, the result of mma.sync and of wgmma alike.

/*
 * A warp's accumulator is blocks of 16 rows and octets of columns. A lane has two elements of an octet in each row of a
 * group: lane l has row 8 r + l / 4 in group r, which is half r % 2 of block r / 2.
 */
template <u32 kBlocks, u32 kOctets> float &at(float (&tile)[kBlocks][kOctets][4], u32 group, u32 i) {
  return tile[group / 2][i / 2][group % 2 * 2 + i % 2];
}

template <u32 kBlocks, u32 kOctets> float at(const float (&tile)[kBlocks][kOctets][4], u32 group, u32 i) {
  return tile[group / 2][i / 2][group % 2 * 2 + i % 2];
}

/* The column of a lane's first element of a row. */
u32 first_column(u32 lane) {
  return 2 * (lane % 4);
}

/* From there on, the column of its element i. */
constexpr u32 column_step(u32 i) {
  return i / 2 * 8 + i % 2;
}

/* The operand A of 16 columns of block b, t of them before: two octets have its layout already. */
template <u32 kBlocks, u32 kOctets>
void pack_operand(u32 (&fragment)[4], const float (&tile)[kBlocks][kOctets][4], u32 b, u32 t) {
#pragma unroll
  for (u32 h = 0; h < 2; h++) {
    fragment[2 * h] = pack_compute(tile[b][2 * t + h][0], tile[b][2 * t + h][1]);
    fragment[2 * h + 1] = pack_compute(tile[b][2 * t + h][2], tile[b][2 * t + h][3]);
  }
}

/* The operands of two such steps, of all blocks. */
template <u32 kBlocks, u32 kOctets>
void pack_two(u32 (&fragments)[2][kBlocks][4], const float (&tile)[kBlocks][kOctets][4], u32 t) {
#pragma unroll
  for (u32 b = 0; b < kBlocks; b++) {
    pack_operand(fragments[0][b], tile, b, 2 * t);
    pack_operand(fragments[1][b], tile, b, 2 * t + 1);
  }
}
