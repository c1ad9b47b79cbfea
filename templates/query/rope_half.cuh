//@use query/rope

//# Pairs of the same place in both halves of the rotated dims: a unit is chunk c of the first half and its partner in
//# the second, or one chunk after the rotated dims.

constexpr u32 kRotatedUnits = kRopeDim / 16;

template <u32 kDim> constexpr u32 kRowUnits = kRotatedUnits + (kDim - kRopeDim) / 8;

/* Takes the elements of unit `unit` of a row, rotates them, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  const u32 chunk = unit < kRotatedUnits ? unit : unit + kRotatedUnits;
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

/* The dims of pair `pair` of a row; those after the rotated ones are neighbours. */
u32 first_of_pair(u32 pair) {
  return pair < kRopeDim / 2 ? pair : 2 * pair;
}

u32 second_of_pair(u32 pair) {
  return pair < kRopeDim / 2 ? pair + kRopeDim / 2 : 2 * pair + 1;
}
