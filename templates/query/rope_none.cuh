//# No rotation: a unit of a row is a chunk of 8 elements.

//@use query/position

struct Rotation {};

Rotation rotation_to(const fi_rope_args &rope, Position position) {
  return {};
}

/* There is no table. */
void ask_for_rope(Cta threads, const fi_rope_args &rope) {}

template <u32 kDim> constexpr u32 kRowUnits = kDim / 8;

/* Takes the elements of unit `unit` of a row, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  float values[8];
  load(values, unit);
  store(values, unit);
}

/* The dims of pair `pair` of a row. */
u32 first_of_pair(u32 pair) {
  return 2 * pair;
}

u32 second_of_pair(u32 pair) {
  return 2 * pair + 1;
}
