//@use query/tile
//@use ptx/memory
//@use work/item
//@use query/rope_{rope}

//# Q goes from global memory into its tile.

//@if q_dtype == e4m3 && weight_exponent == 0
//@use query/fetch_e4m3
//@else
//@if q_dtype == e4m3
typedef u8 QueryElement;
//@else
typedef u16 QueryElement; /* its bits */
//@end

/* Where chunk `chunk` of row `row` of an item's tile is in Q. */
const u8 *query_chunk(const fi_attention_args &args, const fi_item &item, u32 row, u32 chunk) {
  const u32 head = item.kv_head * kGroup + row % kGroup;
  const long long offset = row_of(args, item, row).token * args.q_token_stride + head * args.q_head_stride;
  return (const u8 *)((const QueryElement *)args.q + offset) + chunk * 16;
}

//@if teams > 1
/*
 * A thread's chunks of the next tile of Q, one kThreads after the other, on their way through registers: waiting for
 * them does not wait for the KV that was asked for before.
 */
struct QueryFetch {
  uint4 chunks[(kRows * kQueryChunks + kThreads - 1) / kThreads];
};

/* Asks for the item's Q, and what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
  u32 i = threads.number();
#pragma unroll
  for (uint4 &chunk : fetch.chunks) {
    chunk = *(const uint4 *)query_chunk(args, item, min(i / kQueryChunks, kRows - 1u), i % kQueryChunks);
    i += kThreads;
  }
}

/* Puts it into the tile. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {
  u32 i = threads.number();
#pragma unroll
  for (const uint4 &chunk : fetch.chunks) {
    if (i < kRows * kQueryChunks)
      *(uint4 *)(query + query_offset(i / kQueryChunks, i % kQueryChunks)) = chunk;
    i += kThreads;
  }
}
//@else
/* Q is copied into its tile; nothing is in registers on the way. */
struct QueryFetch {};

/* Asks for the item's Q, and what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
#pragma unroll 4
  for (u32 i = threads.number(); i < kRows * kQueryChunks; i += kThreads) {
    const u32 row = i / kQueryChunks;
    const u32 chunk = i % kQueryChunks;
    copy_async(shared_address(query + query_offset(row, chunk)), query_chunk(args, item, row, chunk), true);
  }
  copy_commit();
}

/* Waits for the thread's copies. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {
  copy_wait<0>();
}
//@end
//@end
