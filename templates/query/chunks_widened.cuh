//@use query/tile
//@use operand/widen_e4m3

//# Chunks of Q of e4m3, 8 elements, that become f16 in registers.

typedef u8 QueryElement;
typedef uint2 QueryChunk;

const QueryChunk *chunk_of_row(const QueryElement *row, u32 chunk) {
  return (const QueryChunk *)row + chunk;
}

/* Puts the elements of a chunk into the tile. */
void store_query_chunk(u8 *query, u32 row, u32 chunk, QueryChunk codes) {
  const uint2 first = widen_four(codes.x);
  const uint2 second = widen_four(codes.y);
  *(uint4 *)(query + query_offset(row, chunk)) = make_uint4(first.x, first.y, second.x, second.y);
}

/* Brings them there: a thread has a few chunks in registers at a time. */
void copy_query_chunk(u8 *query, u32 row, u32 chunk, const QueryChunk *from) {
  store_query_chunk(query, row, chunk, *from);
}

void commit_query_chunks() {}

/* They are there. */
void wait_for_query_chunks() {}
