//@use ptx/types
//@use ptx/overlap
//@use operand/convert
//@use work/kv_address
//@use work/plan_id
//@use operand/store

/* The row of a query token and head that is appended. */
const u16 *new_row(const fi_kv_args &kv, int token, int head) {
  return (const u16 *)kv.data + token * kv.token_stride + head * kv.head_stride;
}

//@if page_size > 0
/* What kv_row finds a new token by: its page. */
int place_of(const fi_append_args &args, const fi_row &row) {
  return (int)pages_of(*args.plan.header, row.kv_base)[row.position / kPageSize];
}
//@else
/* What kv_row finds a new token by: where the KV of its request is. */
int place_of(const fi_append_args &args, const fi_row &row) {
  return row.kv_base;
}
//@end

//@if rope_positions == array
/* The position that K of a new token is rotated to. */
int position_of(const fi_append_args &args, const fi_row &row) {
  return args.positions[row.token];
}
//@else
/* The position that K of a new token is rotated to. */
int position_of(const fi_append_args &args, const fi_row &row) {
  return row.position;
}
//@end

/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, both converted to
 * the type of the cache. A thread takes a unit of a row, a few 16-byte chunks, at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  fi_plan_header &header = *args.plan.header;
  const u32 id = header.rows_id;
  if (id != args.rows_id)
    return tell_foreign_plan(header, id);
  const long long units = (long long)header.tokens * args.kv_heads * kNewUnits;
  const long long threads = (long long)gridDim.x * kThreads;
  for (long long i = (long long)blockIdx.x * kThreads + threadIdx.x; i < units; i += threads) {
    const u32 unit = i % kNewUnits;
    const int head = i / kNewUnits % args.kv_heads;
    const fi_row row = args.plan.rows[i / kNewUnits / args.kv_heads];
    if (row.position < 0)
      continue;
    const int place = place_of(args, row);
    if (unit < kKeyUnits)
      store_key_unit(kv_row(args.k, place, row.position, head), new_row(args.k_new, row.token, head), unit,
                     scale_of(args.k, head), position_of(args, row));
    else
      store_value_chunk(kv_row(args.v, place, row.position, head), new_row(args.v_new, row.token, head),
                        unit - kKeyUnits, scale_of(args.v, head));
  }
}
