//# Rotated pairs that do not fill chunks of 8 elements: a unit of a row is a pair of elements.

template <u32 kDim> constexpr u32 kRowUnits = kDim / 2;

/* Takes the elements of pair `pair` of a row, rotates them, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 pair, const Rotation &by, Load load, Store store) {
  const u32 first = first_of_pair(pair);
  const u32 second = second_of_pair(pair);
  float x = load(first);
  float y = load(second);
  if (pair < kRopeDim / 2)
    turn_pair(x, y, pair, by);
  store(x, first);
  store(y, second);
}
