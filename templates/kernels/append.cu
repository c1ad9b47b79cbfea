//@use ptx/types
//@if overlaps
//@use ptx/overlap
//@end
//@use operand/convert
//@use work/kv_address
//@use operand/store

/* The row of a query token and head that is appended. */
const u16 *new_row(const fi_kv_args &kv, int token, int head) {
  return (const u16 *)kv.data + token * kv.token_stride + head * kv.head_stride;
}

/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, both converted to
 * the type of the cache. A thread takes a unit of a row, a few 16-byte chunks, at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
//@if overlaps
  wait_for_stream();
//@end
  const long long units = (long long)args.plan.header->tokens * args.kv_heads * kRowUnits;
  const long long threads = (long long)gridDim.x * kThreads;
  for (long long i = (long long)blockIdx.x * kThreads + threadIdx.x; i < units; i += threads) {
    const u32 unit = i % kRowUnits;
    const int head = i / kRowUnits % args.kv_heads;
    const fi_row row = args.plan.rows[i / kRowUnits / args.kv_heads];
    if (row.position < 0)
      continue;
    const u16 *k_from = new_row(args.k_new, row.token, head);
    const u16 *v_from = new_row(args.v_new, row.token, head);
//@if page_size > 0
    const int place = pages_of(*args.plan.header, row.kv_base)[row.position / kPageSize];
//@else
    const int place = row.kv_base;
//@end
    u8 *k_to = kv_row(args.k, place, row.position, head);
    u8 *v_to = kv_row(args.v, place, row.position, head);
    const float k_factor = store_factor(args.k.scales, head);
    const float v_factor = store_factor(args.v.scales, head);
//@if rope != none
//@if rope_positions == array
    store_key_unit(k_to, k_from, unit, k_factor, args.positions[row.token]);
//@else
    store_key_unit(k_to, k_from, unit, k_factor, row.position);
//@end
    store_value_unit(v_to, v_from, unit, v_factor);
//@else
    store_chunk(k_to, k_from, unit, k_factor);
    store_chunk(v_to, v_from, unit, v_factor);
//@end
  }
}
