//@use tile/rows
//@use query/tile

//# Q as operand of the matrix instructions.

//@if qk_tail
/* 16 dims of the head are one step of the matrix instruction; the last step has 8, and zeros. */
constexpr u32 kQueryBlocks = kQkDim / 16 + 1;
//@else
/* Two chunks of a row of Q are one step of the matrix instruction. */
constexpr u32 kQueryBlocks = kQueryChunks / 2;
//@end

/* Blocks that a loop over the dims of Q has at once: more hide loads, few leave registers free. */
//@if ordered_loads
constexpr u32 kQueryUnroll = 2;
//@else
constexpr u32 kQueryUnroll = kQueryBlocks;
//@end

/* Fragments of Q of one block of dims. */
typedef u32 QueryBlock[kRowBlocks][4];

void load_query_block(QueryBlock &q, const u8 *query, u32 block) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
    load_query_fragment(q[b], query, (row_warp() * kRowBlocks + b) * 16, block);
}

//@if query_registers
/* Q of an item. */
typedef QueryBlock Query[kQueryBlocks];

void load_query(Query &q, const u8 *query) {
#pragma unroll
  for (u32 i = 0; i < kQueryBlocks; i++)
    load_query_block(q[i], query, i);
}

/* Block i of Q, for which there may be need of `room`. */
const QueryBlock &query_block(QueryBlock &room, const Query &query, u32 i) {
  return query[i];
}
//@else
/* Q of an item, in shared memory: its fragments would not fit beside O in the registers. */
typedef const u8 *Query;

void load_query(Query &q, const u8 *query) {
  q = query;
}

/* Block i of Q, for which there may be need of `room`. */
const QueryBlock &query_block(QueryBlock &room, const Query &query, u32 i) {
  load_query_block(room, query, i);
  return room;
}
//@end
