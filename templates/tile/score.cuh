//@use ring/tiles
//@use operand/convert
//@use query/query

/* 16 dims of the head are one step of the matrix instruction. */
constexpr u32 kDimBlocks = kHeadDim / 16;

/*
 * Scores of a warp's 16-row blocks against the team's tokens, and O likewise against dims, in the layout of
 * mma.m16n8k16's result: element e of octet o of block b is row 16 b + l / 4 + 8 (e / 2), column 8 o + 2 (l % 4)
 * + e % 2.
 */
typedef float Scores[kRowBlocks][kTeamTokens / 8][4];

/* Fragments of Q of one dim block. */
typedef u32 QueryBlock[kRowBlocks][4];

void load_query_block(QueryBlock &q, const u8 *query, u32 block) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
    load_query_fragment(q[b], query, (team_warp() * kRowBlocks + b) * 16, block);
}

//@if query_registers
/* Q of an item. */
typedef QueryBlock Query[kDimBlocks];

void load_query(Query &q, const u8 *query) {
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++)
    load_query_block(q[i], query, i);
}
//@else
/* Q of an item, in shared memory: its fragments would not fit beside O in the registers. */
typedef const u8 *Query;

void load_query(Query &q, const u8 *query) {
  q = query;
}
//@end

//@if kv_bytes == 2 || (rope != none && rope_keys == unrotated)
/* scores += Q K^T */
void score(Scores &scores, const Query &query, const u8 *keys) {
//@if rope != none && rope_keys == unrotated
  const u32 from = shared_address(keys) + wide_chunk(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
//@else
  const u32 from = shared_address(keys) + kv_chunk(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
//@end
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++) {
//@if query_registers
    const QueryBlock &q = query[i];
//@else
    QueryBlock q;
    load_query_block(q, query, i);
//@end
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4]; /* tokens 16 t .. + 7 of dims 16 i .. + 7 and + 8 .. + 15, then tokens + 8 .. + 15 of both */
//@if rope != none && rope_keys == unrotated
      load_matrices(k, from + wide_chunk(16 * t, 2 * i));
//@else
      load_matrices(k, kv_along(from, 2 * i) + 16 * t * kKvPitch);
//@end
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}
//@else
/* scores += Q K^T; each 8-bit element is converted once, in registers. */
void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + kv_chunk(lane(), 0);
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++) {
//@if query_registers
    const QueryBlock &q = query[i];
//@else
    QueryBlock q;
    load_query_block(q, query, i);
//@end
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 32; t++) {
      u32 k[4]; /* word m: token 32 t + 8 m + l / 4, dims 16 i + 4 (l % 4) .. + 3 */
      load_matrices(k, kv_along(from, i) + 32 * t * kKvPitch);
#pragma unroll
      for (u32 m = 0; m < 4; m++) {
        const uint2 pairs = f16_of_fp8(k[m]);
#pragma unroll
        for (u32 b = 0; b < kRowBlocks; b++)
          mma(scores[b][4 * t + m], q[b], pairs.x, pairs.y);
      }
    }
  }
}
//@end
