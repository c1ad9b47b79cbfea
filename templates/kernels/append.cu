//@use ptx/types
//@use ptx/overlap
//@use operand/convert
//@if quantizes_rows
//@use query/rope_{rope}
//@else
//@use operand/store
//@end

/* A query token whose K and V are appended, and what kv_row finds its place by. */
struct NewToken {
  int token;
  int place;
  int at;
};

//@if slots == none
//@use work/append_plan
//@else
//@use work/append_slots
//@end

/* The row of a query token and head that is appended. */
const u16 *new_row(const fi_kv_args &kv, int token, int head) {
  return (const u16 *)kv.data + token * kv.token_stride + head * kv.head_stride;
}

//@if rope_positions == array
/* The position that K of a new token is rotated to. */
Position position_of(const fi_append_args &args, const NewToken &row) {
  return position_at(args.positions, args.rope.position_stride, row.token);
}
//@else
/* The position that K of a new token is rotated to. */
int position_of(const fi_append_args &args, const NewToken &row) {
  return row.at;
}
//@end

//@if quantizes_rows
//@if wide_dims > 0
//@use operand/grouped_rows
//@else
//@use operand/quantize_rows
//@end

//@if v_source == keys
constexpr u32 kNewRows = 1; /* of a new token and head: its K, which has its V in it */
//@else
constexpr u32 kNewRows = 2; /* of a new token and head: its K, and its V */
//@end

//@if wide_dims > 0
/* Writes the row of a new token and head. */
void append_row(const fi_append_args &args, const NewToken &token, int head, u32 number, float *row) {
  take_row(row, new_row(args.k_new, token.token, head), new_row(args.v_new, token.token, head),
           rotation_to(args.rope, position_of(args, token)));
  store_row(args, token, head, row);
}
//@else
/* Writes the row of K of a new token and head. */
void append_key(const fi_append_args &args, const NewToken &token, int head, float *row) {
  take_key(row, new_row(args.k_new, token.token, head), rotation_to(args.rope, position_of(args, token)));
  store_key_row(args.k, {token.place, token.at, head}, row);
}

//@if v_source == keys
/* Writes the row of a new token and head. */
void append_row(const fi_append_args &args, const NewToken &token, int head, u32 number, float *row) {
  append_key(args, token, head, row);
}
//@else
/* Writes a row of a new token and head. */
void append_row(const fi_append_args &args, const NewToken &token, int head, u32 number, float *row) {
  if (number == 0)
    return append_key(args, token, head, row);
  take_value(row, new_row(args.v_new, token.token, head));
  store_value_row(args.v, {token.place, token.at, head}, row);
}
//@end
//@end

/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, all converted to the
 * types of the cache. A warp takes a row at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  __shared__ __align__(16) float rows[kThreads / 32][kLongestRow];
  float *row = rows[warp()];
  const long long count = (long long)new_tokens(args) * args.kv_heads * kNewRows;
  const long long warps = (long long)gridDim.x * (kThreads / 32);
  for (long long i = (long long)blockIdx.x * (kThreads / 32) + warp(); i < count; i += warps) {
    const int head = i / kNewRows % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / kNewRows / args.kv_heads));
    if (token.at < 0)
      continue;
    append_row(args, token, head, i % kNewRows, row);
  }
}
//@else
/* Writes unit `unit` of the new K of a token and head. */
void append_key_unit(const fi_append_args &args, const NewToken &token, int head, u32 unit) {
  store_key_unit(kv_row(args.k, token.place, token.at, head), new_row(args.k_new, token.token, head), unit,
                 args.k.scale * scale_of(args.k, head), rotation_to(args.rope, position_of(args, token)));
}

//@if v_source == keys
/* Writes unit `unit` of a new token and head, if the token has a place. */
void append_unit(const fi_append_args &args, const NewToken &token, int head, u32 unit) {
  if (token.at >= 0)
    append_key_unit(args, token, head, unit);
}
//@else
/* Writes unit `unit` of a new token and head, if the token has a place. */
void append_unit(const fi_append_args &args, const NewToken &token, int head, u32 unit) {
  if (token.at < 0)
    return;
  if (unit < kKeyUnits)
    append_key_unit(args, token, head, unit);
  else
    store_value_chunk(kv_row(args.v, token.place, token.at, head), new_row(args.v_new, token.token, head),
                      unit - kKeyUnits, args.v.scale * scale_of(args.v, head));
}
//@end

/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, both converted to
 * the type of the cache. A thread takes a unit of a row, a few 16-byte chunks, at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  const long long units = (long long)new_tokens(args) * args.kv_heads * kNewUnits;
  const long long threads = (long long)gridDim.x * kThreads;
  for (long long i = (long long)blockIdx.x * kThreads + threadIdx.x; i < units; i += threads) {
    const u32 unit = i % kNewUnits;
    const int head = i / kNewUnits % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / kNewUnits / args.kv_heads));
    append_unit(args, token, head, unit);
  }
}
//@end
