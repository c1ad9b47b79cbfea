//@use query/rope

//# Pairs of neighbours: a unit is a chunk of 8 elements, the rotated ones first.

/* The dims of pair `pair` of a row, the rotated ones first. */
u32 first_of_pair(u32 pair) {
  return pair < kRopeDim / 2 ? kRopeFirst + 2 * pair : plain_dim(pair);
}

u32 second_of_pair(u32 pair) {
  return first_of_pair(pair) + 1;
}

//@if rotates_pairs
//@use query/rope_pairs
//@else
constexpr u32 kRotatedUnits = kRopeDim / 8;

template <u32 kDim> constexpr u32 kRowUnits = kDim / 8;

/* Takes the elements of unit `unit` of a row, rotates them, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  const u32 chunk = unit < kRotatedUnits ? kRopeFirst / 8 + unit : plain_chunk<kRotatedUnits>(unit - kRotatedUnits);
  float values[8];
  load(values, chunk);
  if (unit < kRotatedUnits) {
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      turn_pair(values[2 * i], values[2 * i + 1], unit * 4 + i, by);
  }
  store(values, chunk);
}
//@end
