//@use query/tile
//@use ptx/memory

//# Chunks of Q, 16 bytes, that the tile has as they are.

//@if q_dtype == e4m3
typedef u8 QueryElement;
//@else
typedef u16 QueryElement; /* its bits */
//@end
typedef uint4 QueryChunk;

const QueryChunk *chunk_of_row(const QueryElement *row, u32 chunk) {
  return (const QueryChunk *)((const u8 *)row + chunk * 16);
}

/* Puts a chunk into the tile. */
void store_query_chunk(u8 *query, u32 row, u32 chunk, QueryChunk elements) {
  *(uint4 *)(query + query_offset(row, chunk)) = elements;
}

/* Brings it there: nothing is in registers on the way. */
void copy_query_chunk(u8 *query, u32 row, u32 chunk, const QueryChunk *from) {
  copy_async(shared_address(query + query_offset(row, chunk)), (const u8 *)from, true);
}

void commit_query_chunks() {
  copy_commit();
}

/* Waits for the thread's copies. */
void wait_for_query_chunks() {
  copy_wait<0>();
}
