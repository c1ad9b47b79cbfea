//@use tile_records

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

/* Positions of rows stay where they are until Q is rotated. */
void note_position(tile_row &to, const fi_attention_args &args) {}

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

//@if rope_positions == array
/* Brings the position of a row of the tile into shared memory. */
void note_position(tile_row &to, const fi_attention_args &args) {
  to.position = args.positions[to.token];
}

/* That of Q of a row. */
Position query_position(const fi_attention_args &args, const tile_row &row) {
  return row.position;
}
//@else
/* The position of a row is its place. */
void note_position(tile_row &to, const fi_attention_args &args) {}

/* That of Q of a row. */
Position query_position(const fi_attention_args &args, const tile_row &row) {
  return row.place;
}
//@end
//@end
