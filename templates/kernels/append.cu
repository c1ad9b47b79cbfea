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
/*
 * Writes the new K of the batch's query tokens, which has their V in it, into the cache: rotated to its position and
 * converted to the types of the cache. A warp takes a row at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  __shared__ __align__(16) float rows[kThreads / 32][kQkDim];
  float *row = rows[warp()];
  const long long count = (long long)new_tokens(args) * args.kv_heads;
  const long long warps = (long long)gridDim.x * (kThreads / 32);
  for (long long i = (long long)blockIdx.x * (kThreads / 32) + warp(); i < count; i += warps) {
    const int head = i % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / args.kv_heads));
    if (token.at < 0)
      continue;
    take_row(row, new_row(args.k_new, token.token, head), new_row(args.v_new, token.token, head),
             rotation_to(args.rope, position_of(args, token)));
    store_row(args, token, head, row);
  }
}
//@else
//@use operand/quantize_rows
//@if v_source == keys
/*
 * Writes the new K of the batch's query tokens, which has their V in it, into the cache: rotated to its position and
 * converted to the type of the cache. A warp takes a row at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  __shared__ __align__(16) float rows[kThreads / 32][kLongestRow];
  float *row = rows[warp()];
  const long long count = (long long)new_tokens(args) * args.kv_heads;
  const long long warps = (long long)gridDim.x * (kThreads / 32);
  for (long long i = (long long)blockIdx.x * (kThreads / 32) + warp(); i < count; i += warps) {
    const int head = i % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / args.kv_heads));
    if (token.at < 0)
      continue;
    take_key(row, new_row(args.k_new, token.token, head), rotation_to(args.rope, position_of(args, token)));
    store_key_row(args.k, {token.place, token.at, head}, row);
  }
}
//@else
/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, both converted to the
 * type of the cache. A warp takes a row at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  __shared__ __align__(16) float rows[kThreads / 32][kLongestRow];
  float *row = rows[warp()];
  const long long count = (long long)new_tokens(args) * args.kv_heads * 2;
  const long long warps = (long long)gridDim.x * (kThreads / 32);
  for (long long i = (long long)blockIdx.x * (kThreads / 32) + warp(); i < count; i += warps) {
    const int head = i / 2 % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / 2 / args.kv_heads));
    const RowPlace at = {token.place, token.at, head};
    if (token.at < 0)
      continue;
    if (i % 2 == 0) {
      take_key(row, new_row(args.k_new, token.token, head), rotation_to(args.rope, position_of(args, token)));
      store_key_row(args.k, at, row);
    } else {
      take_value(row, new_row(args.v_new, token.token, head));
      store_value_row(args.v, at, row);
    }
  }
}
//@end
//@end
//@else
//@if v_source == keys
/*
 * Writes the new K of the batch's query tokens, which has their V in it, into the cache: rotated to its position and
 * converted to the type of the cache. A thread takes a unit of a row, a few 16-byte chunks, at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  const long long units = (long long)new_tokens(args) * args.kv_heads * kKeyUnits;
  const long long threads = (long long)gridDim.x * kThreads;
  for (long long i = (long long)blockIdx.x * kThreads + threadIdx.x; i < units; i += threads) {
    const int head = i / kKeyUnits % args.kv_heads;
    const NewToken row = new_token(args, (int)(i / kKeyUnits / args.kv_heads));
    if (row.at >= 0)
      store_key_unit(kv_row(args.k, row.place, row.at, head), new_row(args.k_new, row.token, head), i % kKeyUnits,
                     args.k.scale * scale_of(args.k, head), rotation_to(args.rope, position_of(args, row)));
  }
}
//@else
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
    const NewToken row = new_token(args, (int)(i / kNewUnits / args.kv_heads));
    if (row.at < 0)
      continue;
    if (unit < kKeyUnits)
      store_key_unit(kv_row(args.k, row.place, row.at, head), new_row(args.k_new, row.token, head), unit,
                     args.k.scale * scale_of(args.k, head), rotation_to(args.rope, position_of(args, row)));
    else
      store_value_chunk(kv_row(args.v, row.place, row.at, head), new_row(args.v_new, row.token, head),
                        unit - kKeyUnits, args.v.scale * scale_of(args.v, head));
  }
}
//@end
//@end
