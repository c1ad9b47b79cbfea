//@use ring/tiles
//@use operand/convert

//# Q goes from global memory through shared memory (rotated, converted) to fragments.

/* What the warps need to know of a row of the tile. */
struct TileRow {
  int token;   /* in Q and O */
  int visible; /* KV tokens that it sees */
  int part;    /* its row among the item's partial rows */
//@if rope != none
  int position; /* that it is rotated to */
//@end
};

/* A work item in shared memory, with the rows of its tile. */
struct ItemTile {
  fi_item item;
  TileRow rows[kRows];
};

constexpr u32 kQueryChunks = kHeadDim / 8;

/* The token of row `row` of an item's tile, which is its head row % kGroup. Padding rows repeat the last token. */
const fi_row &row_of(const fi_attention_args &args, const fi_item &item, u32 row) {
  return args.plan.rows[item.row_begin + min(row / kGroup, item.row_count - 1u)];
}

/* Where chunk `chunk` of row `row` of an item's tile is in Q. */
const u8 *query_chunk(const fi_attention_args &args, const fi_item &item, u32 row, u32 chunk) {
  const u32 head = item.kv_head * kGroup + row % kGroup;
  const long long offset = row_of(args, item, row).token * args.q_token_stride + head * args.q_head_stride;
  return (const u8 *)((const u16 *)args.q + offset) + chunk * 16;
}

/* Brings an item and its rows into shared memory. */
void stage_item(ItemTile &tile, const fi_attention_args &args, const fi_item &item) {
  const u32 thread = fresh_thread();
  if (thread < kItemWords)
    ((u32 *)&tile.item)[thread] = ((const u32 *)&item)[thread];
  for (u32 row = thread; row < kRows; row += kThreads) {
    const fi_row &source = row_of(args, item, row);
    TileRow &to = tile.rows[row];
    to.token = source.token;
    to.part = source.part + (int)(row % kGroup);
//@if mask == causal
    to.visible = min(item.kv_end, source.position + 1);
//@else
    to.visible = item.kv_end;
//@end
//@if rope != none
//@if rope_positions == array
    to.position = args.positions[source.token];
//@else
    to.position = source.position;
//@end
//@end
  }
}

//@if teams > 1
/*
 * A thread's chunks of the next tile of Q, one kThreads behind the other, on their way through registers: waiting for
 * them does not wait for the KV that was asked for before.
 */
typedef uint4 QueryChunks[(kRows * kQueryChunks + kThreads - 1) / kThreads];

void fetch_query(QueryChunks &chunks, const fi_attention_args &args, const fi_item &item) {
  u32 i = fresh_thread();
#pragma unroll
  for (uint4 &chunk : chunks) {
    chunk = *(const uint4 *)query_chunk(args, item, min(i / kQueryChunks, kRows - 1u), i % kQueryChunks);
    i += kThreads;
  }
}

void store_query(u8 *query, const QueryChunks &chunks) {
  u32 i = fresh_thread();
#pragma unroll
  for (const uint4 &chunk : chunks) {
    if (i < kRows * kQueryChunks)
      *(uint4 *)(query + wide_chunk(i / kQueryChunks, i % kQueryChunks)) = chunk;
    i += kThreads;
  }
}
//@else
/* Starts to copy the item's Q, as it is, into the tile. */
void copy_query(u8 *query, const fi_attention_args &args, const fi_item &item) {
#pragma unroll 4
  for (u32 i = fresh_thread(); i < kRows * kQueryChunks; i += kThreads) {
    const u32 row = i / kQueryChunks;
    const u32 chunk = i % kQueryChunks;
    copy_async(shared_address(query + wide_chunk(row, chunk)), query_chunk(args, item, row, chunk), true);
  }
}
//@end

//@if rope != none || (q_dtype == bf16) != (kv_dtype == bf16)
//@if rope != none
//@use query/rope
//@else
constexpr u32 kRowUnits = kQueryChunks;

constexpr u32 kUnitChunks = 1;
//@end

void unpack_chunk(float (&values)[8], uint4 words) {
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_query(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

void write_query_chunk(u8 *query, u32 row, u32 chunk, const float (&values)[8]) {
  *(uint4 *)(query + wide_chunk(row, chunk)) =
      make_uint4(pack_compute(values[0], values[1]), pack_compute(values[2], values[3]),
                 pack_compute(values[4], values[5]), pack_compute(values[6], values[7]));
}

/* Turns the tile from what was copied into what the fragments need: rotated, and of the type to compute in. */
void transform_query(u8 *query, const ItemTile &tile) {
#pragma unroll 1
  for (u32 i = fresh_thread(); i < kRows * kRowUnits; i += kThreads) {
    const u32 row = i / kRowUnits;
    const u32 unit = i % kRowUnits;
//@if rope != none
    const u32 chunk = unit_chunk(unit);
//@else
    const u32 chunk = unit;
//@end
    float values[kUnitChunks][8];
    unpack_chunk(values[0], *(const uint4 *)(query + wide_chunk(row, chunk)));
//@if rope == half
    if (unit < kRotatedUnits)
      unpack_chunk(values[1], *(const uint4 *)(query + wide_chunk(row, chunk + kRotatedUnits)));
//@end
//@if rope != none
    if (unit < kRotatedUnits)
      rotate_unit(values, unit, tile.rows[row].position);
//@end
    write_query_chunk(query, row, chunk, values[0]);
//@if rope == half
    if (unit < kRotatedUnits)
      write_query_chunk(query, row, chunk + kRotatedUnits, values[1]);
//@end
  }
  __syncthreads();
}
//@end

//@if kv_bytes == 1 && !(rope != none && rope_keys == unrotated)
/*
 * Fragment of 16 rows and the 16 dims of block `block`: words w and w + 2 have row l / 4 + 8 w and dims 4 (l % 4)
 * .. + 3, as K fragments of 8-bit elements have them.
 */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + wide_chunk(first_row + lane() / 4, 2 * block) + lane() % 4 * 8;
#pragma unroll
  for (u32 w = 0; w < 4; w++)
    fragment[w] = load_word(from + wide_chunk(8 * (w % 2), 0) + 4 * (w / 2));
}
//@else
/* Fragment of 16 rows and the 16 dims of block `block`: word w has rows l / 4 + 8 (w % 2) and dims from 8 (w / 2). */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + wide_chunk(lane() % 16, lane() / 16);
  load_matrices(fragment, from + wide_chunk(first_row, 2 * block));
}
//@end
