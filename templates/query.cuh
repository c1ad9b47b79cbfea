//@use tiles
//@use convert

//# Q goes from global memory through shared memory (rotated, converted) to fragments.

/* What the warps need to know of a row of the tile: its query token, and how many KV tokens it sees. */
struct TileRow {
  int token;
  int visible;
};

constexpr u32 kQueryChunks = kHeadDim / 8;

//@if kv_bytes == 1 && !(rope != none && rope_keys == unrotated)
/*
 * Stores 8 elements of chunk `chunk` of a row. K fragments of 8-bit elements hold dims 4 c .. 4 c + 3 of a block of 16 in
 * lane c, where 16-bit ones hold 2 c, 2 c + 1, 2 c + 8 and 2 c + 9: Q's dims are permuted to match.
 */
__device__ __forceinline__ void store_query_chunk(u8 *query, u32 row, u32 chunk, const u32 (&words)[4]) {
  const u32 block = chunk / 2;
  const u32 half = chunk % 2 * 8;
  *(uint2 *)(query + wide_chunk(row, 2 * block) + half) = make_uint2(words[0], words[2]);
  *(uint2 *)(query + wide_chunk(row, 2 * block + 1) + half) = make_uint2(words[1], words[3]);
}
//@else
/* Stores 8 elements of chunk `chunk` of a row. */
__device__ __forceinline__ void store_query_chunk(u8 *query, u32 row, u32 chunk, const u32 (&words)[4]) {
  *(uint4 *)(query + wide_chunk(row, chunk)) = make_uint4(words[0], words[1], words[2], words[3]);
}
//@end

//@if rope != none
//@use rope
__device__ __forceinline__ void read_query_chunk(float (&values)[8], const u16 *from) {
  const uint4 words = *(const uint4 *)from;
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

__device__ __forceinline__ void write_query_chunk(u8 *query, u32 row, u32 chunk, const float (&values)[8]) {
  u32 words[4];
#pragma unroll
  for (int i = 0; i < 4; i++)
    words[i] = pack_compute(values[2 * i], values[2 * i + 1]);
  store_query_chunk(query, row, chunk, words);
}

/* Copies unit `unit` of one row of Q into the tile, rotated to its position. */
__device__ __forceinline__ void stage_query_unit(u8 *query, u32 row, u32 unit, const u16 *from, int position) {
  const u32 chunk = unit_chunk(unit);
  float values[kUnitChunks][8];
  read_query_chunk(values[0], from + chunk * 8);
  if (unit < kRotatedUnits) {
//@if rope == half
    read_query_chunk(values[1], from + (chunk + kRotatedUnits) * 8);
//@end
    rotate_unit(values, unit, position);
//@if rope == half
    write_query_chunk(query, row, chunk + kRotatedUnits, values[1]);
//@end
  }
  write_query_chunk(query, row, chunk, values[0]);
}
//@else
constexpr u32 kRowUnits = kQueryChunks;

/* Copies chunk `chunk` of one row of Q into the tile. */
__device__ __forceinline__ void stage_query_unit(u8 *query, u32 row, u32 chunk, const u16 *from) {
  const uint4 source = *(const uint4 *)(from + chunk * 8);
//@if (q_dtype == bf16) == (kv_dtype == bf16)
  const u32 words[4] = {source.x, source.y, source.z, source.w};
//@else
  const u32 pairs[4] = {source.x, source.y, source.z, source.w};
  u32 words[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    words[i] = pack_compute(pair.x, pair.y);
  }
//@end
  store_query_chunk(query, row, chunk, words);
}
//@end

/* The tile's row of Q that `row` of a plan names, for query head `head`. */
__device__ __forceinline__ const u16 *query_row(const fi_attention_args &args, const fi_row &row, u32 head) {
  return (const u16 *)args.q + row.token * args.q_token_stride + head * args.q_head_stride;
}

//@if mask == causal
/* A token sees its own KV position and those before it, as far as the item's range goes. */
__device__ __forceinline__ int visible_tokens(const fi_row &row, const fi_item &item) {
  return min(item.kv_end, row.position + 1);
}
//@else
__device__ __forceinline__ int visible_tokens(const fi_row &row, const fi_item &item) {
  return item.kv_end;
}
//@end

/*
 * Brings the item's rows and their Q into shared memory, between two barriers of the CTA. Row r of the tile is head
 * r % kGroup of the tile's token r / kGroup. Rows behind the last token are padding: zeros, which see the whole range so
 * that they never ask for a mask.
 */
__device__ __forceinline__ void stage_query(const fi_attention_args &args, const fi_item &item, u8 *query,
                                            TileRow *tile_rows) {
  const fi_row *rows = args.plan.rows + item.row_begin;
  __syncthreads();
#pragma unroll 1
  for (u32 row = threadIdx.x; row < kRows; row += kThreads) {
    const u32 token = row / kGroup;
    tile_rows[row] = {0, item.kv_end};
    if (token < item.row_count)
      tile_rows[row] = {rows[token].token, visible_tokens(rows[token], item)};
  }
#pragma unroll 1
  for (u32 i = threadIdx.x; i < kRows * kRowUnits; i += kThreads) {
    const u32 row = i / kRowUnits;
    const u32 unit = i % kRowUnits;
    const u32 token = row / kGroup;
    if (token < item.row_count) {
      const u16 *from = query_row(args, rows[token], item.kv_head * kGroup + row % kGroup);
//@if rope != none
//@if rope_positions == array
      stage_query_unit(query, row, unit, from, args.positions[rows[token].token]);
//@else
      stage_query_unit(query, row, unit, from, rows[token].position);
//@end
//@else
      stage_query_unit(query, row, unit, from);
//@end
    } else {
      const u32 zeros[4] = {0, 0, 0, 0};
//@if rope == half
      if (unit < kRotatedUnits)
        store_query_chunk(query, row, unit_chunk(unit) + kRotatedUnits, zeros);
//@end
//@if rope != none
      store_query_chunk(query, row, unit_chunk(unit), zeros);
//@else
      store_query_chunk(query, row, unit, zeros);
//@end
    }
  }
  __syncthreads();
}

/* Fragment of 16 rows and the 16 dims of block `block`: word w has rows l / 4 + 8 (w % 2) and dims from 8 (w / 2). */
__device__ __forceinline__ void load_query_fragment(u32 (&fragment)[4], u32 query, u32 first_row, u32 block) {
  load_matrices(fragment, query + wide_chunk(lane() % 16, lane() / 16) + wide_chunk(first_row, 2 * block));
}
