//@use ptx/types
//@if overlaps
//@use ptx/overlap
//@end
//@use operand/convert
//@use work/kv_address
//@use operand/store

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
    const long long from = row.token * args.new_token_stride + head * args.new_head_stride;
//@if page_size > 0
    const int page = pages_of(*args.plan.header, row.kv_base)[row.position / kPageSize];
    const long long to = kv_row_offset(args, page, row.position, head);
//@else
    const long long to = kv_row_offset(args, row.kv_base, row.position, head);
//@end
    const float k_factor = store_factor(args.k_scale, head);
    const float v_factor = store_factor(args.v_scale, head);
//@if rope != none
//@if rope_positions == array
    store_key_unit((u8 *)args.k + to, (const u16 *)args.k_new + from, unit, k_factor, args.positions[row.token]);
//@else
    store_key_unit((u8 *)args.k + to, (const u16 *)args.k_new + from, unit, k_factor, row.position);
//@end
    store_value_unit((u8 *)args.v + to, (const u16 *)args.v_new + from, unit, v_factor);
//@else
    store_chunk((u8 *)args.k + to, (const u16 *)args.k_new + from, unit, k_factor);
    store_chunk((u8 *)args.v + to, (const u16 *)args.v_new + from, unit, v_factor);
//@end
  }
}
