//@use query/tile
//@use operand/widen_e4m3
//@use ptx/memory
//@use work/item
//@use query/rope_{rope}

//# Q of e4m3 goes through registers, where it becomes f16.

/* Where the 8 elements of chunk `chunk` of row `row` of an item's tile are in Q. */
const uint2 *query_chunk(const fi_attention_args &args, const fi_item &item, u32 row, u32 chunk) {
  const u32 head = item.kv_head * kGroup + row % kGroup;
  const long long offset = row_of(args, item, row).token * args.q_token_stride + head * args.q_head_stride;
  return (const uint2 *)((const u8 *)args.q + offset) + chunk;
}

/* Puts the elements of a chunk into the tile. */
void store_query_chunk(u8 *query, u32 row, u32 chunk, uint2 codes) {
  const uint2 first = widen_four(codes.x);
  const uint2 second = widen_four(codes.y);
  *(uint4 *)(query + query_offset(row, chunk)) = make_uint4(first.x, first.y, second.x, second.y);
}

//@if teams > 1
/* A thread's chunks of the next tile of Q, one kThreads after the other, on their way. */
struct QueryFetch {
  uint2 chunks[(kRows * kQueryChunks + kThreads - 1) / kThreads];
};

/* Asks for the item's Q, and what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
  u32 i = threads.number();
#pragma unroll
  for (uint2 &chunk : fetch.chunks) {
    chunk = *query_chunk(args, item, min(i / kQueryChunks, kRows - 1u), i % kQueryChunks);
    i += kThreads;
  }
}

/* Puts it into the tile. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {
  u32 i = threads.number();
#pragma unroll
  for (const uint2 &chunk : fetch.chunks) {
    if (i < kRows * kQueryChunks)
      store_query_chunk(query, i / kQueryChunks, i % kQueryChunks, chunk);
    i += kThreads;
  }
}
//@else
/* Nothing is in registers for long: a thread has a few chunks at a time. */
struct QueryFetch {};

/* Brings the item's Q into the tile, and asks for what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
#pragma unroll 4
  for (u32 i = threads.number(); i < kRows * kQueryChunks; i += kThreads) {
    const u32 row = i / kQueryChunks;
    const u32 chunk = i % kQueryChunks;
    store_query_chunk(query, row, chunk, *query_chunk(args, item, row, chunk));
  }
}

/* It is there. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {}
//@end
