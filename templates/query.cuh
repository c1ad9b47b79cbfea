//@use tiles
//@use convert

//# Q goes from global memory through shared memory (rotated, converted) to fragments.

/* What the warps need to know of a row of the tile. */
struct TileRow {
  int token;   /* in Q and O */
  int visible; /* KV tokens that it sees */
  int part;    /* its row among the item's partial rows */
};

/* A work item in shared memory, with the rows of its tile. */
struct ItemTile {
  fi_item item;
  TileRow rows[kRows];
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
//@else
constexpr u32 kRowUnits = kQueryChunks;

constexpr u32 kUnitChunks = 1;
//@end

/* Units of the tile that a thread brings, one kThreads behind the other. */
constexpr u32 kThreadUnits = (kRows * kRowUnits + kThreads - 1) / kThreads;

//@if teams > 1
/* Of which so many are under way at once. */
constexpr u32 kFetchUnits = kThreadUnits;
//@else
/* Of which so many are under way at once. */
constexpr u32 kFetchUnits = 4 / kUnitChunks;
//@end

/* Units of a tile of Q on their way from memory; zeros for padding rows. */
struct QueryUnits {
  uint4 words[kFetchUnits][kUnitChunks];
//@if rope != none
  int positions[kFetchUnits];
//@end
};

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
 * Starts to load this thread's units of the item's Q from number `first` on. Row r of the tile is head r % kGroup of its
 * token r / kGroup; rows behind the last token are padding.
 */
__device__ __forceinline__ void fetch_query(QueryUnits &units, const fi_attention_args &args, const fi_item &item,
                                            u32 first) {
  const fi_row *rows = args.plan.rows + item.row_begin;
  const u32 row_count = item.row_count;
  const u32 first_head = item.kv_head * kGroup;
  const u32 thread = fresh_thread();
#pragma unroll
  for (u32 u = 0; u < kFetchUnits; u++) {
    const u32 i = (first + u) * kThreads + thread;
    const u32 row = i / kRowUnits;
    const u32 token = row / kGroup;
    const bool valid = token < row_count;
    const fi_row &source = rows[valid ? token : 0];
    const u16 *from = query_row(args, source, first_head + row % kGroup);
//@if rope != none
    const u32 chunk = unit_chunk(i % kRowUnits);
//@if rope == half
    const u32 second = i % kRowUnits < kRotatedUnits ? chunk + kRotatedUnits : chunk;
    units.words[u][1] = valid ? *(const uint4 *)(from + second * 8) : make_uint4(0, 0, 0, 0);
//@end
//@if rope_positions == array
    units.positions[u] = args.positions[source.token];
//@else
    units.positions[u] = source.position;
//@end
//@else
    const u32 chunk = i % kRowUnits;
//@end
    units.words[u][0] = valid ? *(const uint4 *)(from + chunk * 8) : make_uint4(0, 0, 0, 0);
  }
}

//@if rope != none
__device__ __forceinline__ void unpack_chunk(float (&values)[8], uint4 words) {
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

__device__ __forceinline__ void store_query_values(u8 *query, u32 row, u32 chunk, const float (&values)[8]) {
  u32 words[4];
#pragma unroll
  for (int i = 0; i < 4; i++)
    words[i] = pack_compute(values[2 * i], values[2 * i + 1]);
  store_query_chunk(query, row, chunk, words);
}

/* Writes a unit of a row to the tile, rotated to its position. */
__device__ __forceinline__ void store_query_unit(u8 *query, u32 row, u32 unit, const uint4 (&words)[kUnitChunks],
                                                 int position) {
  const u32 chunk = unit_chunk(unit);
  float values[kUnitChunks][8];
#pragma unroll
  for (u32 c = 0; c < kUnitChunks; c++)
    unpack_chunk(values[c], words[c]);
  if (unit < kRotatedUnits) {
    rotate_unit(values, unit, position);
//@if rope == half
    store_query_values(query, row, chunk + kRotatedUnits, values[1]);
//@end
  }
  store_query_values(query, row, chunk, values[0]);
}
//@else
//@if (q_dtype == bf16) == (kv_dtype == bf16)
/* Writes a chunk of a row to the tile. */
__device__ __forceinline__ void store_query_unit(u8 *query, u32 row, u32 chunk, const uint4 (&words)[1]) {
  const u32 pairs[4] = {words[0].x, words[0].y, words[0].z, words[0].w};
  store_query_chunk(query, row, chunk, pairs);
}
//@else
/* Writes a chunk of a row to the tile, converted to the type that the matrix instructions take. */
__device__ __forceinline__ void store_query_unit(u8 *query, u32 row, u32 chunk, const uint4 (&words)[1]) {
  u32 pairs[4] = {words[0].x, words[0].y, words[0].z, words[0].w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    pairs[i] = pack_compute(pair.x, pair.y);
  }
  store_query_chunk(query, row, chunk, pairs);
}
//@end
//@end

/* Brings an item and its rows into shared memory. Padding rows see the whole range, so that they never ask for a mask. */
__device__ __forceinline__ void stage_item(ItemTile &tile, const fi_attention_args &args, const fi_item &item) {
  const u32 thread = fresh_thread();
  const fi_row *rows = args.plan.rows + item.row_begin;
  if (thread < kItemWords)
    ((u32 *)&tile.item)[thread] = ((const u32 *)&item)[thread];
  for (u32 row = thread; row < kRows; row += kThreads) {
    const u32 token = row / kGroup;
    const bool valid = token < item.row_count;
    const fi_row &source = rows[valid ? token : 0];
    tile.rows[row] = {source.token, valid ? visible_tokens(source, item) : item.kv_end, source.part + (int)(row % kGroup)};
  }
}

/* Writes fetched units, from number `first` on, to the tile. */
__device__ __forceinline__ void store_query_units(const QueryUnits &units, u8 *query, u32 first) {
  const u32 thread = fresh_thread();
#pragma unroll
  for (u32 u = 0; u < kFetchUnits; u++) {
    const u32 i = (first + u) * kThreads + thread;
    if (i < kRows * kRowUnits)
//@if rope != none
      store_query_unit(query, i / kRowUnits, i % kRowUnits, units.words[u], units.positions[u]);
//@else
      store_query_unit(query, i / kRowUnits, i % kRowUnits, units.words[u]);
//@end
  }
}

//@if teams > 1
/* Writes the tile of Q that has been fetched, between two barriers of the CTA. */
__device__ __forceinline__ void store_query(const QueryUnits &units, u8 *query) {
  __syncthreads();
  store_query_units(units, query, 0);
  __syncthreads();
}
//@else
/* Brings the tile of Q, a few units of each thread at a time, between two barriers of the CTA. */
__device__ __forceinline__ void bring_query(const fi_attention_args &args, const fi_item &item, u8 *query) {
  __syncthreads();
#pragma unroll 1
  for (u32 first = 0; first < kThreadUnits; first += kFetchUnits) {
    QueryUnits units;
    fetch_query(units, args, item, first);
    store_query_units(units, query, first);
  }
  __syncthreads();
}
//@end

/* Fragment of 16 rows and the 16 dims of block `block`: word w has rows l / 4 + 8 (w % 2) and dims from 8 (w / 2). */
__device__ __forceinline__ void load_query_fragment(u32 (&fragment)[4], u32 query, u32 first_row, u32 block) {
  load_matrices(fragment, query + wide_chunk(lane() % 16, lane() / 16) + wide_chunk(first_row, 2 * block));
}
