//@use query/rope

//# Pairs of the same place in both halves of the rotated dims: a unit is a chunk of the first half and its partner in
//# the second, or one chunk of other dims.

/* The dims of pair `pair` of a row, the rotated ones first. */
u32 first_of_pair(u32 pair) {
  return pair < kRopeDim / 2 ? kRopeFirst + pair : plain_dim(pair);
}

u32 second_of_pair(u32 pair) {
  return pair < kRopeDim / 2 ? kRopeFirst + pair + kRopeDim / 2 : plain_dim(pair) + 1;
}

//@if rotates_pairs
//@use query/rope_pairs
//@else
constexpr u32 kRotatedUnits = kRopeDim / 16;

template <u32 kDim> constexpr u32 kRowUnits = kRotatedUnits + (kDim - kRopeDim) / 8;

/* Takes the elements of unit `unit` of a row, rotates them, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  const u32 chunk = unit < kRotatedUnits ? kRopeFirst / 8 + unit : plain_chunk<2 * kRotatedUnits>(unit - kRotatedUnits);
  float first[8];
  load(first, chunk);
  if (unit < kRotatedUnits) {
    float second[8];
    load(second, chunk + kRotatedUnits);
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      turn_pair(first[i], second[i], unit * 8 + i, by);
    store(second, chunk + kRotatedUnits);
  }
  store(first, chunk);
}
//@end
