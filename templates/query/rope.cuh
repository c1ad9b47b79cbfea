//@use ptx/math
//@emit rope_table

//# Rotation of pairs. It works on units of a row, of one or two chunks of 8 elements.

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
  const float turned = fmaf(x, cosine, -(y * sine));
  y = fmaf(y, cosine, x * sine);
  x = turned;
}
