//# Pairs of values of O where V has 16-bit elements.

/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return 2 * p + half;
}

u32 pair_column(u32 lane, u32 p) {
  return 8 * p + 2 * (lane % 4);
}
