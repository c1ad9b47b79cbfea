//@use ptx/math
//@use query/position
//@use ptx/memory
//@use tile/threads

//# Rotation of pairs. It works on units of a row, of one or two chunks of 8 elements or a pair.

/* 2 pi / 2^32 */
constexpr float kRadians = 1.4629180792671596e-9f;

/* What a row is rotated by. */
struct Rotation {
  const u64 *table; /* turns per token of each pair */
  float magnitude;
  Position position;
};

Rotation rotation_to(const fi_rope_args &rope, const Position &position) {
  return {rope.table, rope.magnitude, position};
}

/* The first dim of a pair of neighbours that is not rotated; pairs from kRopeDim / 2 on are such. */
u32 plain_dim(u32 pair) {
  const int dim = 2 * pair - kRopeDim;
  return dim < kRopeFirst ? dim : dim + kRopeDim;
}

/* The chunk `number` among those that are not rotated, where kRotated are. */
template <u32 kRotated> u32 plain_chunk(int number) {
  return number < kRopeFirst / 8 ? number : number + kRotated;
}

/* Asks for the table before it is read. */
void ask_for_rope(Cta threads, const fi_rope_args &rope) {
  constexpr u32 kLines = (kRopeDim / 2 * sizeof(u64) + 127) / 128;
  if (threads.number() < kLines)
    ask_for_line(rope.table + threads.number() * (128 / sizeof(u64)));
}

/*
 * Turns the pair (x, y) of pair number `pair` by its angle. The angle is exact modulo one turn: the table has turns per
 * token in units of 2^-64, and the product wraps as the angle does.
 */
void turn_pair(float &x, float &y, u32 pair, const Rotation &by) {
  const u64 entry = __ldg(by.table + pair);
  const u64 turns = (u64)(long long)position_for(by.position, entry) * entry;
  const float angle = (float)(int)(turns >> 32) * kRadians;
  const float cosine = cos_fast(angle) * by.magnitude;
  const float sine = sin_fast(angle) * by.magnitude;
  const float turned = fmaf(x, cosine, -(y * sine));
  y = fmaf(y, cosine, x * sine);
  x = turned;
}
