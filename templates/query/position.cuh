//# Where tokens are, for rotation.

//@if rope_axes == 3
/* Along time, height and width. */
struct Position {
  int along[3];
};

/* The position that turns a pair: its entry of the table says which. */
int position_for(const Position &position, u64 entry) {
  const u32 axis = (u32)entry & 3;
  return axis == 0 ? position.along[0] : axis == 1 ? position.along[1] : position.along[2];
}

/* That of token `at` of an array. */
Position position_at(const int *positions, long long stride, long long at) {
  return {positions[at], positions[at + stride], positions[at + 2 * stride]};
}

/* That of Q of a row. */
Position query_position(const fi_attention_args &args, const tile_row &row) {
  return position_at(args.positions, args.rope.position_stride, row.token);
}
//@else
typedef int Position;

/* The position that turns a pair. */
int position_for(Position position, u64 entry) {
  return position;
}

/* That of token `at` of an array. */
Position position_at(const int *positions, long long stride, long long at) {
  return positions[at];
}

/* That of Q of a row. */
Position query_position(const fi_attention_args &args, const tile_row &row) {
  return row.position;
}
//@end
