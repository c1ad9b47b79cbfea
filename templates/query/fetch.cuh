//@use query/tile
//@use ptx/memory
//@use work/item
//@use query/rope_{rope}
//@if q_dtype == e4m3 && weight_exponent == 0
//@use query/chunks_widened
//@else
//@use query/chunks_copied
//@end

//# Q goes from global memory into its tile.

/* Where chunk `chunk` of row `row` of an item's tile is in Q. */
const QueryChunk *query_chunk(const fi_attention_args &args, const fi_item &item, u32 row, u32 chunk) {
  const u32 head = item.kv_head * kGroup + row % kGroup;
  const long long offset = row_of(args, item, row).token * args.q_token_stride + head * args.q_head_stride;
  return chunk_of_row((const QueryElement *)args.q + offset, chunk);
}

//@if teams > 1
/*
 * A thread's chunks of the next tile of Q, one kThreads after the other, on their way through registers: waiting for
 * them does not wait for the KV that was asked for before.
 */
struct QueryFetch {
  QueryChunk chunks[(kRows * kQueryChunks + kThreads - 1) / kThreads];
};

/* Asks for the item's Q, and what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
  u32 i = threads.number();
#pragma unroll
  for (QueryChunk &chunk : fetch.chunks) {
    chunk = *query_chunk(args, item, min(i / kQueryChunks, kRows - 1u), i % kQueryChunks);
    i += kThreads;
  }
}

/* Puts it into the tile. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {
  u32 i = threads.number();
#pragma unroll
  for (const QueryChunk &chunk : fetch.chunks) {
    if (i < kRows * kQueryChunks)
      store_query_chunk(query, i / kQueryChunks, i % kQueryChunks, chunk);
    i += kThreads;
  }
}
//@else
/* Q is on its way to its tile, or there; nothing of it is kept. */
struct QueryFetch {};

/* Brings the item's Q, and asks for what it is rotated by. */
void begin_fetch(Cta threads, QueryFetch &fetch, u8 *query, const fi_attention_args &args, const fi_item &item) {
  ask_for_rope(threads, args.rope);
#pragma unroll 4
  for (u32 i = threads.number(); i < kRows * kQueryChunks; i += kThreads) {
    const u32 row = i / kQueryChunks;
    const u32 chunk = i % kQueryChunks;
    copy_query_chunk(query, row, chunk, query_chunk(args, item, row, chunk));
  }
  commit_query_chunks();
}

/* It is in the tile when all threads have done this. */
void end_fetch(Cta threads, const QueryFetch &fetch, u8 *query) {
  wait_for_query_chunks();
}
//@end
