//@use ptx/math
//@emit rope_table

//# Rotation works on units of 16-byte chunks of 16-bit rows, or 8 elements: for half-split pairs a unit is chunk
//# c of the first half and its partner in the second, for interleaved pairs one chunk; dims behind the rotated
//# ones are plain units.

//@if rope == half
/* Units of a row whose elements are rotated; each has kUnitChunks chunks of 8 elements. */
constexpr u32 kRotatedUnits = kRopeDim / 16;

constexpr u32 kUnitChunks = 2;
//@else
/* Units of a row whose elements are rotated; each has kUnitChunks chunks of 8 elements. */
constexpr u32 kRotatedUnits = kRopeDim / 8;

constexpr u32 kUnitChunks = 1;
//@end

/* Then come units of one chunk that is left as it is. */
constexpr u32 kRowUnits = kRotatedUnits + (kHeadDim - kRopeDim) / 8;

/* The first chunk of a unit. The second, if it is a rotated one, lies kRotatedUnits chunks behind it. */
u32 unit_chunk(u32 unit) {
  return unit < kRotatedUnits ? unit : unit - kRotatedUnits + kRopeDim / 8;
}

/* 2 pi / 2^32 */
constexpr float kRadians = 1.4629180792671596e-9f;

/*
 * Turns the pair (x, y) of pair number `pair` by its angle at a position. The angle is exact modulo one turn: the
 * table has turns per token in units of 2^-64, and the product wraps as the angle does.
 */
void turn_pair(float &x, float &y, u32 pair, int position) {
  const u64 turns = (u64)(long long)position * kTurnsPerToken[pair];
  const float angle = (float)(int)(turns >> 32) * kRadians;
  const float cosine = cos_fast(angle);
  const float sine = sin_fast(angle);
  const float turned = x * cosine - y * sine;
  y = y * cosine + x * sine;
  x = turned;
}

//@if rope == half
/* Rotates the elements of unit `unit` of a row: pair i is (values[0][i], values[1][i]). */
void rotate_unit(float (&values)[kUnitChunks][8], u32 unit, int position) {
#pragma unroll
  for (u32 i = 0; i < 8; i++)
    turn_pair(values[0][i], values[1][i], unit * 8 + i, position);
}
//@else
/* Rotates the elements of unit `unit` of a row: pair i is (values[0][2 i], values[0][2 i + 1]). */
void rotate_unit(float (&values)[kUnitChunks][8], u32 unit, int position) {
#pragma unroll
  for (u32 i = 0; i < 4; i++)
    turn_pair(values[0][2 * i], values[0][2 * i + 1], unit * 4 + i, position);
}
//@end
