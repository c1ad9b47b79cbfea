/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return p / 2 * 4 + p % 2 + 2 * half;
}

u32 pair_column(u32 lane, u32 p) {
  return p / 2 * 16 + 4 * (lane % 4) + p % 2 * 2;
}
