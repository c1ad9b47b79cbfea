/* flashjit: attention group=4 page=16 */

/* One query token of the batch. A tile's tokens are consecutive rows, which may belong to several requests. */
struct fi_row {
  int token;    /* index in Q, O, LSE, positions */
  int position; /* index of the token in its request's KV: the last KV token it sees when causal */
  int kv_base;  /* as fi_item.kv_base */
  int part;     /* where its rows lie in a partial result, from the item's first row of partials on */
};

/*
 * A work item: rows of one tile against one range of one KV head. kv_base is where the KV of the request is found: the
 * request's number (dense index) or kv_indptr[request] (CSR).
 */
struct fi_item {
  int kv_base;
  int kv_head;
  int kv_begin;              /* first token of the range */
  int kv_end;                /* behind its last token; no row sees beyond it */
  int row_begin;             /* first of the tile's rows in fi_plan_arrays.rows */
  unsigned short row_count;  /* tokens of the tile */
  unsigned short unit_count; /* merge units that the item feeds */
  int part;                  /* first row of its partial result; -1: it writes the output itself */
  int unit;                  /* first merge unit that it feeds; a unit's rows follow each other in the tile */
};

/* The items of one CTA in one section of the plan: items[begin .. end), none when end is 0. first is items[begin]. */
struct fi_share {
  struct fi_item first;
  int begin;
  int end;
  int reserved[2];
};

/* Rows of one KV head whose result is the merge of partials: partial i is rows part_begin + i * part_stride and on. */
struct fi_unit {
  int row_begin, row_count;
  int kv_head;
  int part_begin, part_stride, part_count;
  int next; /* in the list of units that a CTA must merge; written during a launch */
  int reserved;
};

/* What a plan says of its whole batch. */
struct fi_plan_header {
  const int *page_table;
  long long page_table_stride;
  int sections; /* shares of one CTA are shares[section * ctas + cta] */
  int tokens;   /* rows */
  int reserved[10];
};

/* Where the parts of a plan lie in the workspace. */
struct fi_plan_arrays {
  struct fi_plan_header *header;
  struct fi_share *shares;
  struct fi_item *items;
  struct fi_row *rows;
  struct fi_unit *units;
  unsigned *arrivals; /* partials that a unit still waits for: all of them between launches */
  float *part_o;      /* [partial rows][head_dim], unnormalised */
  float *part_ml;     /* [partial rows][2]: row maximum in base-2 logits, row sum */
};

struct fi_attention_args {
  struct fi_plan_arrays plan;
  const void *q;
  void *o;
  float *lse;
  const void *k, *v;
  const float *k_scale, *v_scale;
  const int *positions;
  long long q_token_stride, q_head_stride; /* all strides in elements */
  long long o_token_stride, o_head_stride;
  long long kv_page_stride, kv_token_stride, kv_head_stride;
  int lse_token_stride; /* query heads */
  int ctas;
  float scale_log2; /* softmax scale * log2(e) */
  int reserved;
};

constexpr int kHeadDim = 128;            /* elements of a head */
constexpr int kGroup = 4;                /* query heads per KV head */
constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */

constexpr int kThreads = 128;            /* of a CTA */
constexpr int kCtasPerSm = 2;            /* CTAs that share an SM */
constexpr int kRows = 16;                /* of the tile: query tokens x group */
constexpr int kRowWarps = 1;             /* warps of a team, which divide the rows */
constexpr int kRowBlocks = 1;            /* 16-row blocks of a warp */
constexpr int kTeams = 4;                /* each takes its own KV tokens */
constexpr int kTeamTokens = 16;          /* KV tokens of a team in one step */
constexpr int kStages = 3;               /* steps of KV in the ring */
constexpr int kKvBytes = 2;              /* of a stored element of K or V */
constexpr int kKvPitch = 256;            /* bytes from row to row of a K or V tile */
constexpr int kWidePitch = 272;          /* bytes from row to row of a tile of 16-bit elements */
constexpr int kSharedRings = 0;          /* byte offset in shared memory: the rings of KV stages */
constexpr int kSharedQuery = 98304;      /* the tile of Q */
constexpr int kSharedState = 102656;     /* row maxima and sums of the teams */
constexpr int kSharedItems = 103168;     /* work items with the rows of their tiles */
constexpr int kSharedRanges = 103744;    /* each warp's part of the range of an item */
constexpr int kSharedFlag = 103792;      /* a word from one thread to the others */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

constexpr u32 kAllLanes = 0xffffffffu;

u32 lane() {
  return threadIdx.x % 32;
}

u32 warp() {
  return threadIdx.x / 32;
}

/*
 * threadIdx.x, read anew at each use. What is derived from it is not kept over the main loop, as the compiler
 * would else do, in registers that O and the scores need.
 */
u32 fresh_thread() {
  u32 thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

u32 fresh_lane() {
  return fresh_thread() % 32;
}

/* The 32-bit address of a pointer into shared memory, as the instructions below take it. */
u32 shared_address(const void *pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

/* Starts a copy of 16 bytes from global to shared memory; if not valid, clears the 16 bytes and reads nothing. */
void copy_async(u32 to, const u8 *from, bool valid) {
  asm volatile("{.reg .pred ignore; setp.eq.u32 ignore, %2, 0;"
               "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, ignore;}"
               : : "r"(to), "l"(from), "r"((u32)valid) : "memory");
}

/* Closes the group of copies that this thread started since the last one. */
void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most kPending of this thread's groups are under way. */
template <int kPending> void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/*
 * Four 8 x 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8 and gets, in word m,
 * elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m.
 */
void load_matrices(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}

/* The same of the transposed matrices: rows and columns of the result change places. */
void load_matrices_transposed(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}

/*
 * Takes one from a counter and returns what it was. Releases this CTA's writes and acquires the others': behind
 * the barrier that follows, plain loads of all its threads see them.
 */
u32 count_down(u32 *counter) {
  u32 before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;"
               : "=r"(before)
               : "l"(counter), "r"(0xffffffffu)
               : "memory");
  return before;
}

u32 pack_bf16(float low, float high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

/* Two values as a pair of the type that the matrix instructions take. */
u32 pack_compute(float low, float high) {
  return pack_bf16(low, high);
}

u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}

/* c += a b: 16 x 16 by 16 x 8 elements of bf16 over a warp, in the fragment layout of mma.m16n8k16. */
void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* A place in this CTA's share of the plan: items[at .. end) of a section, then its shares of the sections behind it. */
struct ItemCursor {
  int at;
  int end;     /* 0: there is no more */
  int section; /* the next one */
};

/* Goes to the CTA's next item: in the same section, or else the first one that it has in a later section. */
void next_item(ItemCursor &cursor, const fi_attention_args &args, int sections) {
  cursor.at++;
  if (cursor.at != cursor.end)
    return;
  cursor.end = 0;
  for (; cursor.section < sections && cursor.end == 0; cursor.section++) {
    const fi_share &share = args.plan.shares[cursor.section * args.ctas + (int)blockIdx.x];
    cursor.at = share.begin;
    cursor.end = share.end;
  }
}

/* The page ids of a request, first token's first. */
const int *pages_of(const fi_plan_header &header, int kv_base) {
  return header.page_table + kv_base * header.page_table_stride;
}

/* Byte offset of the row of a token and head in the cache; `page` is that of the token. */
template <typename Args>
long long kv_row_offset(const Args &args, int page, int token, int head) {
  const long long row = page * args.kv_page_stride + (u32)token % kPageSize * args.kv_token_stride;
  return (row + head * args.kv_head_stride) * kKvBytes;
}

constexpr u32 kRowBytes = kHeadDim * kKvBytes;
constexpr u32 kTileBytes = kTeamTokens * kKvPitch;
constexpr u32 kStageBytes = 2 * kTileBytes; /* the K tile of a team's tokens, then their V tile */
constexpr u32 kRingBytes = kStages * kStageBytes;

/*
 * 16-byte chunk `chunk` of row `row` of a KV tile. Chunks change places by row: eight rows' same chunk is in
 * eight banks.
 */
u32 kv_chunk(u32 row, u32 chunk) {
  return row * kKvPitch + (chunk ^ row % 8) * 16;
}

/* From the address of chunk 0 or 1 of a row to that of the chunk `chunks` on, which is even in the latter case. */
u32 kv_along(u32 address, u32 chunks) {
  return (address ^ chunks % 8 * 16) + chunks / 8 * 128;
}

/* Chunk `chunk` of row `row` of a tile of 16-bit rows, whose pitch is always odd. */
u32 wide_chunk(u32 row, u32 chunk) {
  return row * kWidePitch + chunk * 16;
}

u32 team() {
  return kTeams == 1 ? 0 : warp() / kRowWarps;
}

/* The warp's place in its team: which rows of the tile are its own, and which KV tokens it copies. */
u32 team_warp() {
  return warp() % kRowWarps;
}

/* Barrier of the warps of a team. */
void sync_team() {
  __syncwarp();
}

constexpr u32 kRowChunks = kRowBytes / 16;
constexpr u32 kWarpTokens = kTeamTokens / kRowWarps; /* consecutive rows of its team's tile that a warp copies */
constexpr u32 kWarpChunks = kWarpTokens * kRowChunks;
constexpr int kStepTokens = kTeams * kTeamTokens; /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Fills the ring, some steps ahead of the computation, running on from item to item. */
struct KvLoader {
  ItemCursor cursor;
  int sections; /* of the plan */
  u32 ahead; /* lane l: word l % 8 of the next item, so that going on to it does not wait for memory */
  const int *pages; /* of the current item's request */
  int page;         /* of the row of the next step that this lane looks up */
  int kv_head;
  int kv_end; /* 0: there is no more to load */
  int token;  /* first token of the next step to load */
};

/* First token of the warp's rows in the next step. */
int warp_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

/* Takes the item whose word l % 8 is in lane l's loader.ahead, and fetches the one behind it. */
void take_item(KvLoader &loader, const fi_attention_args &args) {
  const int kv_base = (int)__shfl_sync(kAllLanes, loader.ahead, 0);
  loader.pages = pages_of(*args.plan.header, kv_base);
  loader.kv_head = (int)__shfl_sync(kAllLanes, loader.ahead, 1);
  loader.token = (int)__shfl_sync(kAllLanes, loader.ahead, 2);
  loader.kv_end = (int)__shfl_sync(kAllLanes, loader.ahead, 3);
  if (loader.cursor.at + 1 < loader.cursor.end)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at + 1))[lane() % kItemWords];
}

void next_loader_item(KvLoader &loader, const fi_attention_args &args) {
  const bool fetched = loader.cursor.at + 1 < loader.cursor.end;
  next_item(loader.cursor, args, loader.sections);
  loader.kv_end = 0;
  if (loader.cursor.end == 0)
    return;
  if (!fetched)
    loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[fresh_lane() % kItemWords];
  take_item(loader, args);
}

/* Goes to the next item that has KV when the current one has been loaded. */
void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.cursor.end != 0 && loader.token >= loader.kv_end)
    next_loader_item(loader, args);
  const int token = warp_token(loader); /* one page for all rows, looked up early: load_step need not wait */
  if (token < loader.kv_end)
    loader.page = loader.pages[(u32)token / kPageSize];
}

/* Starts the copies of the warp's rows into a stage; rows behind the item's range are cleared. */
void copy_rows(const KvLoader &loader, const fi_attention_args &args, u32 stage) {
  const int token = warp_token(loader);
  const long long first = kv_row_offset(args, loader.page, token, loader.kv_head);
  const long long row_stride = args.kv_token_stride * kKvBytes;
  const u32 to = stage + kv_chunk(team_warp() * kWarpTokens, 0);
  const u32 place = fresh_thread() % 32;
#pragma unroll
  for (u32 pass = 0; pass < (kWarpChunks + 31) / 32; pass++) {
    const u32 row = pass * (32 / kRowChunks) + place / kRowChunks;
    const u32 chunk = place % kRowChunks;
    const long long pass_offset = pass * (32 / kRowChunks * row_stride);
    const long long offset = first + place / kRowChunks * row_stride + pass_offset + chunk * 16;
    if (kWarpChunks % 32 != 0 && pass * 32 + place >= kWarpChunks)
      continue;
    const u8 *k = (const u8 *)args.k + offset;
    const u8 *v = (const u8 *)args.v + offset;
    const bool valid = token + (int)row < loader.kv_end;
    copy_async(to + kv_chunk(row, chunk), k, valid);
    copy_async(to + kTileBytes + kv_chunk(row, chunk), v, valid);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step behind it. */
void load_step(KvLoader &loader, const fi_attention_args &args, u32 stage) {
  if (loader.cursor.end != 0) {
    copy_rows(loader, args, stage);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/*
 * Opens the CTA's share of the plan. The first item comes with the share, so that loading starts one latency
 * earlier.
 */
void open_loader(KvLoader &loader, const fi_attention_args &args) {
  const fi_share &share = args.plan.shares[blockIdx.x];
  loader.cursor = {share.begin, share.end, 1};
  loader.sections = args.plan.header->sections;
  loader.ahead = ((const u32 *)&share.first)[lane() % kItemWords];
  loader.page = 0;
  if (share.end == 0) { /* the rest of it is undefined */
    loader.cursor.at = -1;
    next_item(loader.cursor, args, loader.sections);
    if (loader.cursor.end != 0)
      loader.ahead = ((const u32 *)(args.plan.items + loader.cursor.at))[lane() % kItemWords];
    else
      loader.ahead = 0;
  }
  take_item(loader, args);
}

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

/* The tile's row of Q that `row` of a plan names, for query head `head`. */
const u16 *query_row(const fi_attention_args &args, const fi_row &row, u32 head) {
  return (const u16 *)args.q + row.token * args.q_token_stride + head * args.q_head_stride;
}

/*
 * Brings an item and its rows into shared memory. Padding rows see the whole range, so that they never ask for a
 * mask.
 */
void stage_item(ItemTile &tile, const fi_attention_args &args, const fi_item &item) {
  const u32 thread = fresh_thread();
  const fi_row *rows = args.plan.rows + item.row_begin;
  if (thread < kItemWords)
    ((u32 *)&tile.item)[thread] = ((const u32 *)&item)[thread];
  for (u32 row = thread; row < kRows; row += kThreads) {
    const u32 token = row / kGroup;
    const bool valid = token < item.row_count;
    const fi_row &source = rows[valid ? token : 0];
    TileRow &to = tile.rows[row];
    to.token = source.token;
    to.visible = valid ? min(item.kv_end, source.position + 1) : item.kv_end;
    to.part = source.part + (int)(row % kGroup);
  }
}

/* A thread's chunks of the tile, one kThreads behind the other. */
constexpr u32 kThreadChunks = (kRows * kQueryChunks + kThreads - 1) / kThreads;

/*
 * The next tile of Q on its way through registers: waiting for it does not wait for the KV that was asked for
 * before.
 */
struct QueryChunks {
  uint4 words[kThreadChunks];
};

/*
 * Starts to load the item's Q: row r of the tile is head r % kGroup of token r / kGroup. Padding rows are zeros.
 */
void fetch_query(QueryChunks &chunks, const fi_attention_args &args, const fi_item &item) {
  const fi_row *rows = args.plan.rows + item.row_begin;
  const u32 row_count = item.row_count;
  const u32 first_head = item.kv_head * kGroup;
  const u32 thread = fresh_thread();
#pragma unroll
  for (u32 c = 0; c < kThreadChunks; c++) {
    const u32 row = (c * kThreads + thread) / kQueryChunks;
    const u32 chunk = (c * kThreads + thread) % kQueryChunks;
    const bool valid = row / kGroup < row_count;
    const u16 *from = query_row(args, rows[valid ? row / kGroup : 0], first_head + row % kGroup);
    chunks.words[c] = valid ? *(const uint4 *)(from + chunk * 8) : make_uint4(0, 0, 0, 0);
  }
}

void store_query(u8 *query, const QueryChunks &chunks) {
  const u32 thread = fresh_thread();
#pragma unroll
  for (u32 c = 0; c < kThreadChunks; c++) {
    const u32 i = c * kThreads + thread;
    if (i < kRows * kQueryChunks)
      *(uint4 *)(query + wide_chunk(i / kQueryChunks, i % kQueryChunks)) = chunks.words[c];
  }
}

/* Fragment of 16 rows and the 16 dims of block `block`: word w has rows l / 4 + 8 (w % 2) and dims from 8 (w / 2). */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + wide_chunk(lane() % 16, lane() / 16);
  load_matrices(fragment, from + wide_chunk(first_row, 2 * block));
}

/* 16 dims of the head are one step of the matrix instruction. */
constexpr u32 kDimBlocks = kHeadDim / 16;

/*
 * Scores of a warp's 16-row blocks against the team's tokens, and O likewise against dims, in the layout of
 * mma.m16n8k16's result: element e of octet o of block b is row 16 b + l / 4 + 8 (e / 2), column 8 o + 2 (l % 4)
 * + e % 2.
 */
typedef float Scores[kRowBlocks][kTeamTokens / 8][4];

/* Q of an item, in registers. */
typedef u32 Query[kRowBlocks][kDimBlocks][4];

void load_query(Query &fragments, const u8 *query) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
#pragma unroll
    for (u32 i = 0; i < kDimBlocks; i++)
      load_query_fragment(fragments[b][i], query, (team_warp() * kRowBlocks + b) * 16, i);
}

void query_fragment(u32 (&fragment)[4], const Query &query, u32 b, u32 block) {
#pragma unroll
  for (int w = 0; w < 4; w++)
    fragment[w] = query[b][block][w];
}

/* scores += Q K^T */
void score(Scores &scores, const Query &query, u32 keys) {
  keys += kv_chunk(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++) {
    u32 q[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      query_fragment(q[b], query, b, i);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4]; /* tokens 16 t .. + 7 of dims 16 i .. + 7 and + 8 .. + 15, then tokens + 8 .. + 15 of both */
      load_matrices(k, kv_along(keys, 2 * i) + 16 * t * kKvPitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}

float minus_infinity() {
  return __uint_as_float(0xff800000u);
}

float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/*
 * Stands for minus infinity in scores and maxima: finite, so that a row that has seen nothing needs no special
 * case, and a power of two, so that it is scaled without rounding and such a row's O stays finite.
 */
constexpr float kMasked = -0x1p100f;

constexpr u32 kRowGroups = 2 * kRowBlocks;

/* Dims of O; even and odd octets of a block belong together, see pair_column. */
typedef float Output[kRowBlocks][kHeadDim / 8][4];

/* State of a warp's rows: lane l has row l / 4 + 8 r of the warp's in group r, which is half r % 2 of block r / 2. */
struct RowState {
  float most[kRowGroups]; /* maximum of the unscaled scores */
  float sum[kRowGroups];  /* of this lane's columns, until close_rows */
  Output o;
};

/* A warp's part of an item's range: in shared memory, since it is needed once a step and registers are short. */
struct Range {
  int end;   /* of the item's KV tokens */
  int least; /* KV tokens that some row of the warp sees: a tile beyond them needs the mask */
  int most;  /* that no row sees more than: a tile beyond them is skipped */
};

/* The tile's row of group 0 of this lane. */
u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kRowWarps * (16 * kRowBlocks) + thread % 32 / 4;
}

void find_range(Range &range, const ItemTile &tile) {
  const TileRow *first = tile.rows + first_row();
  int least = tile.item.kv_end;
  int most = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    least = min(least, first[8 * r].visible);
    most = max(most, first[8 * r].visible);
  }
  least = __reduce_min_sync(kAllLanes, least);
  most = __reduce_max_sync(kAllLanes, most);
  if (lane() == 0)
    range = {tile.item.kv_end, least, most};
  __syncwarp();
}

/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
void mask(Scores &scores, const TileRow *rows, int token) {
  const u32 lane = fresh_lane();
  const TileRow *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int seen = first[8 * r].visible - token - (int)(2 * (lane % 4));
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if ((int)(i / 2 * 8 + i % 2) >= seen)
        scores[r / 2][i / 2][r % 2 * 2 + i % 2] = kMasked;
  }
}

/* Lifts the rows' maxima to those of the new scores; O and sums are rescaled only if some row of the warp moved. */
void raise_maxima(RowState &state, const Scores &scores, float scale) {
  float most[kRowGroups];
  bool moved = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = state.most[r];
#pragma unroll
    for (u32 o = 0; o < kTeamTokens / 8; o++)
      most[r] = fmaxf(most[r], fmaxf(scores[r / 2][o][r % 2 * 2], scores[r / 2][o][r % 2 * 2 + 1]));
    most[r] = fmaxf(most[r], __shfl_xor_sync(kAllLanes, most[r], 1)); /* four lanes share a row */
    most[r] = fmaxf(most[r], __shfl_xor_sync(kAllLanes, most[r], 2));
    moved |= most[r] > state.most[r];
  }
  if (!__any_sync(kAllLanes, moved))
    return;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float shrink = exp2_fast((state.most[r] - most[r]) * scale);
    state.most[r] = most[r];
    state.sum[r] *= shrink;
#pragma unroll
    for (u32 o = 0; o < kHeadDim / 8; o++) {
      state.o[r / 2][o][r % 2 * 2] *= shrink;
      state.o[r / 2][o][r % 2 * 2 + 1] *= shrink;
    }
  }
}

/* The online softmax: scores become exp2(scale * (score - row maximum)), summed into the state. */
void softmax(RowState &state, Scores &scores, float scale) {
  raise_maxima(state, scores, scale);
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const float offset = state.most[r] * scale;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = scores[r / 2][i / 2][r % 2 * 2 + i % 2];
      score = exp2_fast(score * scale - offset);
      state.sum[r] += score;
    }
  }
}

/*
 * Closes an item: sums over all columns, maxima in base-2 logits. Rows that saw nothing get zeros, maximum
 * -infinity.
 */
void close_rows(RowState &state, float scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 1); /* all lanes, whichever rows are empty */
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 2);
    const bool empty = state.most[r] == kMasked;
    state.most[r] = empty ? minus_infinity() : state.most[r] * scale;
    if (!empty)
      continue;
    state.sum[r] = 0;
#pragma unroll
    for (u32 o = 0; o < kHeadDim / 8; o++) {
      state.o[r / 2][o][r % 2 * 2] = 0;
      state.o[r / 2][o][r % 2 * 2 + 1] = 0;
    }
  }
}

/* The A fragments of 16 tokens' probabilities: the layout of two octets of scores is already that of the operand. */
void pack_scores(u32 (&fragment)[4], const Scores &scores, u32 b, u32 t) {
#pragma unroll
  for (u32 h = 0; h < 2; h++) {
    fragment[2 * h] = pack_compute(scores[b][2 * t + h][0], scores[b][2 * t + h][1]);
    fragment[2 * h + 1] = pack_compute(scores[b][2 * t + h][2], scores[b][2 * t + h][3]);
  }
}

/* O += P V */
void accumulate(Output &o, const Scores &scores, u32 values) {
  values += kv_chunk(lane() % 16, lane() / 16);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++) {
    u32 p[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_scores(p[b], scores, b, t);
#pragma unroll
    for (u32 i = 0; i < kDimBlocks; i++) {
      u32 v[4]; /* dims 16 i .. + 7 of tokens 16 t .. + 7 and + 8 .. + 15, then dims + 8 .. + 15 of both */
      load_matrices_transposed(v, kv_along(values, 2 * i) + 16 * t * kKvPitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(o[b][2 * i], p[b], v[0], v[1]);
        mma(o[b][2 * i + 1], p[b], v[2], v[3]);
      }
    }
  }
}

/* Pair p of row group r: two values that lie next to each other in the row, and their column. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  return make_float2(o[r / 2][p][r % 2 * 2], o[r / 2][p][r % 2 * 2 + 1]);
}

u32 pair_column(u32 lane, u32 p) {
  return 8 * p + 2 * (lane % 4);
}

/* What normalises a row: 1 / sum, or 0 for a row that saw nothing, times the scale of V. */
float row_factor(float sum, float v_scale) {
  return sum > 0 ? v_scale / sum : 0;
}

/* Where row `token`, `head` of O begins. */
u16 *output_row(const fi_attention_args &args, int token, u32 head) {
  return (u16 *)args.o + token * args.o_token_stride + head * args.o_head_stride;
}

float value_scale(const fi_attention_args &args, int kv_head) {
  return 1;
}

/* Maximum (base-2 logits) and sum of each row of each team. */
typedef float2 TeamState[kRows];

/*
 * Where columns c, c + 1 (pairs) or c .. c + 3 of a row lie in a team's exchange area: rows are turned against
 * each other by 8 columns a row, so that the eight rows of a fragment use different banks.
 */
u32 exchange_column(u32 row, u32 column) {
  return row * kHeadDim + (column + row * 8) % kHeadDim;
}

/* Writes this warp's rows, of the tile's `row_count`, to its team's exchange area. */
void exchange_rows(const RowState &state, u32 row_count, float *area, TeamState &team_state) {
  const u32 lane = fresh_lane();
  const u32 first = first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first + 8 * r;
    if (row >= row_count)
      continue;
#pragma unroll
    for (u32 p = 0; p < kHeadDim / 8; p++)
      *(float2 *)(area + exchange_column(row, pair_column(lane, p))) = pair_of(state.o, r, p);
    if (lane % 4 == 0)
      team_state[row] = make_float2(state.most[r], state.sum[r]);
  }
}

/* Four columns of a row over all teams: the unnormalised O, the row's maximum and sum. */
struct RowPart {
  float4 o;
  float most;
  float sum;
};

RowPart join_teams(const u8 *areas, const TeamState *states, u32 row, u32 column) {
  RowPart part = {make_float4(0, 0, 0, 0), minus_infinity(), 0};
#pragma unroll
  for (u32 t = 0; t < kTeams; t++)
    part.most = fmaxf(part.most, states[t][row].x);
#pragma unroll
  for (u32 t = 0; t < kTeams; t++) {
    const float2 state = states[t][row];
    const float weight = state.y > 0 ? exp2_fast(state.x - part.most) : 0;
    const float4 o = *(const float4 *)((const float *)(areas + t * kRingBytes) + exchange_column(row, column));
    part.o.x += weight * o.x;
    part.o.y += weight * o.y;
    part.o.z += weight * o.z;
    part.o.w += weight * o.w;
    part.sum += weight * state.y;
  }
  return part;
}

/* Writes the item's rows to O, or as a partial. `areas` is the stage of the first team's ring that is free. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *areas, TeamState *states) {
  const fi_item &item = tile.item;
  const TileRow *rows = tile.rows;
  sync_team();
  exchange_rows(state, item.row_count * kGroup, (float *)(areas + team() * kRingBytes), states[team()]);
  __syncthreads();
#pragma unroll 1
  for (u32 i = fresh_thread(); i < item.row_count * kGroup * (kHeadDim / 4); i += kThreads) {
    const u32 row = i / (kHeadDim / 4);
    const u32 column = i % (kHeadDim / 4) * 4;
    const RowPart part = join_teams(areas, states, row, column);
    if (item.part < 0) {
      const int token = rows[row].token;
      const u32 head = item.kv_head * kGroup + row % kGroup;
      const float factor = row_factor(part.sum, value_scale(args, item.kv_head));
      *(uint2 *)(output_row(args, token, head) + column) = make_uint2(
          pack_output(part.o.x * factor, part.o.y * factor), pack_output(part.o.z * factor, part.o.w * factor));
    } else {
      const long long part_row = item.part + rows[row].part;
      *(float4 *)(args.plan.part_o + part_row * kHeadDim + column) = part.o;
      if (column == 0)
        *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(part.most, part.sum);
    }
  }
}

/* Loads that are under way at once: of so many partials, for so many groups of four columns. */
constexpr int kMergeParts = 16;
constexpr u32 kMergeColumns = 1;

/* The merge of four columns of a row so far. */
struct Merged {
  int token;
  u32 row;
  u32 column;
  float4 o;
  float most;
  float sum;
};

/* Adds partials to the columns of a row: the states and values of `count` of them. */
void add_parts(Merged &merged, const float2 (&states)[kMergeParts], const float4 (&values)[kMergeParts], int count) {
  float most = merged.most;
#pragma unroll
  for (int i = 0; i < kMergeParts; i++)
    if (i < count)
      most = fmaxf(most, states[i].x);
  const float shrink = merged.sum > 0 ? exp2_fast(merged.most - most) : 0;
  merged.o = make_float4(merged.o.x * shrink, merged.o.y * shrink, merged.o.z * shrink, merged.o.w * shrink);
  merged.sum *= shrink;
  merged.most = most;
#pragma unroll
  for (int i = 0; i < kMergeParts; i++)
    if (i < count) {
      const float weight = states[i].y > 0 ? exp2_fast(states[i].x - most) : 0;
      merged.o.x += weight * values[i].x;
      merged.o.y += weight * values[i].y;
      merged.o.z += weight * values[i].z;
      merged.o.w += weight * values[i].w;
      merged.sum += weight * states[i].y;
    }
}

/* Adds up to kMergeParts partials of a unit from number `first` on. All loads start before the first is used. */
void merge_batch(Merged (&merged)[kMergeColumns], const fi_plan_arrays &plan, const fi_unit &unit, int first) {
  const int count = unit.part_count - first;
  float2 states[kMergeColumns][kMergeParts];
  float4 values[kMergeColumns][kMergeParts];
#pragma unroll
  for (u32 c = 0; c < kMergeColumns; c++)
#pragma unroll
    for (int i = 0; i < kMergeParts; i++)
      if (i < count) {
        const long long row = unit.part_begin + (long long)(first + i) * unit.part_stride + merged[c].row;
        states[c][i] = *(const float2 *)(plan.part_ml + row * 2);
        values[c][i] = *(const float4 *)(plan.part_o + row * kHeadDim + merged[c].column);
      }
#pragma unroll
  for (u32 c = 0; c < kMergeColumns; c++)
    add_parts(merged[c], states[c], values[c], count);
}

void write_merged(const fi_attention_args &args, const fi_unit &unit, const Merged &merged, float v_scale) {
  const int token = merged.token;
  const u32 head = unit.kv_head * kGroup + merged.row % kGroup;
  const float factor = row_factor(merged.sum, v_scale);
  *(uint2 *)(output_row(args, token, head) + merged.column) =
      make_uint2(pack_output(merged.o.x * factor, merged.o.y * factor),
                 pack_output(merged.o.z * factor, merged.o.w * factor));
}

/* Merges all partials of a unit, writes its rows of O and makes the unit ready for the next launch. */
void merge_unit(const fi_attention_args &args, const fi_unit &unit, int number) {
  const float v_scale = value_scale(args, unit.kv_head);
  const u32 size = unit.row_count * kGroup * (kHeadDim / 4);
#pragma unroll 1
  for (u32 i = fresh_thread(); i < size; i += kThreads * kMergeColumns) {
    Merged merged[kMergeColumns];
#pragma unroll
    for (u32 c = 0; c < kMergeColumns; c++) {
      const u32 place = min(i + c * kThreads, size - 1); /* behind the end the last one again, unused */
      const u32 row = place / (kHeadDim / 4);
      const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
      merged[c] = {token, row, place % (kHeadDim / 4) * 4, make_float4(0, 0, 0, 0), minus_infinity(), 0};
    }
#pragma unroll 1
    for (int first = 0; first < unit.part_count; first += kMergeParts)
      merge_batch(merged, args.plan, unit, first);
#pragma unroll
    for (u32 c = 0; c < kMergeColumns; c++)
      if (i + c * kThreads < size)
        write_merged(args, unit, merged[c], v_scale);
  }
  if (threadIdx.x == 0)
    args.plan.arrivals[number] = unit.part_count;
}

/*
 * After its partial is written: counts down at each unit that the item feeds. A unit whose last partial this is
 * goes into the CTA's list of units to merge; `list` is its head and lives in thread 0.
 */
void arrive(const fi_plan_arrays &plan, const fi_item &item, int &list) {
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int u = item.unit; u < item.unit + item.unit_count; u++)
    if (count_down(plan.arrivals + u) == 1) {
      plan.units[u].next = list;
      list = u;
    }
}

/*
 * Merges the units of the CTA's list: behind its items, when nothing else is in the registers. Most often that is
 * the unit of the last item alone, whose record is fetched while the arrival is under way.
 */
void merge_list(const fi_attention_args &args, int list, int last_unit, volatile int *flag) {
  fi_unit unit = args.plan.units[last_unit];
  int held = last_unit; /* the number of `unit` */
  for (;;) {
    if (threadIdx.x == 0)
      *flag = list;
    __syncthreads();
    const int number = *flag;
    if (number < 0)
      return;
    if (threadIdx.x == 0)
      list = args.plan.units[number].next;
    if (number != held)
      unit = args.plan.units[number];
    held = number;
    merge_unit(args, unit, number);
    __syncthreads();
  }
}

/* A thread's walk through the plan. */
struct Walk {
  KvLoader loader;   /* what is loaded next */
  ItemCursor cursor; /* what is computed */
  int list;          /* thread 0: first of the units that this CTA must merge */
};

/*
 * One CTA works through its share of the plan, item after item. Each team of warps has its own ring of KV stages, which
 * runs on from one item to the next: while a step is computed, the loads of the steps behind it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
  extern __shared__ __align__(1024) u8 shared[];
  u8 *query_tile = shared + kSharedQuery;
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  Range &range = ((Range *)(shared + kSharedRanges))[warp()];
  volatile int *flag = (volatile int *)(shared + kSharedFlag);
  u8 *rings = shared + kSharedRings;
  u8 *ring = rings + team() * kRingBytes;

  Walk walk;
  KvLoader &loader = walk.loader;
  ItemCursor &cursor = walk.cursor;
  open_loader(loader, args);
  cursor = loader.cursor;
  settle(loader, args);
  /* The first Q is asked for before its KV, which keeps the memory busy for a while; that fetches its rows too. */
  const fi_share &share = args.plan.shares[blockIdx.x];
  const fi_item &first = share.end != 0 ? share.first : args.plan.items[cursor.at];
  QueryChunks chunks;
  if (cursor.end != 0)
    fetch_query(chunks, args, first);
#pragma unroll 1
  for (u32 stage = 0; stage < kStages - 1; stage++)
    load_step(loader, args, shared_address(ring) + stage * kStageBytes);
  if (cursor.end != 0)
    stage_item(tiles[0], args, first);

  walk.list = -1;
  int last_unit = 0; /* of the last item */
  u32 stage = 0; /* of the next step to compute; the one before it is free */
  for (u32 parity = 0; cursor.end != 0; parity ^= 1) {
    const ItemTile &tile = tiles[parity];
    store_query(query_tile, chunks);
    __syncthreads();
    const fi_item &item = tile.item;
    Query query;
    load_query(query, query_tile);
    find_range(range, tile);
    const float scale = args.scale_log2; /* turns a score into a base-2 logit */
    RowState state = {};
#pragma unroll
    for (float &most : state.most)
      most = kMasked;
    const int offset = team() * kTeamTokens;
#pragma unroll 1
    for (int token = item.kv_begin + offset; token - offset < range.end; token += kStepTokens) {
      copy_wait<kStages - 2>();
      sync_team();
      load_step(loader, args, shared_address(ring) + (stage == 0 ? kStages - 1 : stage - 1) * kStageBytes);
      const u8 *keys = ring + stage * kStageBytes;
      if (token < range.most) {
        Scores scores = {};
        score(scores, query, shared_address(keys));
        if (token + (int)kTeamTokens > range.least)
          mask(scores, tile.rows, token);
        softmax(state, scores, scale);
        accumulate(state.o, scores, shared_address(keys) + kTileBytes);
      }
      stage = stage == kStages - 1 ? 0 : stage + 1;
    }
    close_rows(state, scale);
    u8 *areas = rings + (stage == 0 ? kStages - 1 : stage - 1) * kStageBytes;
    publish(args, tile, state, areas, (TeamState *)(shared + kSharedState));
    if (item.part >= 0)
      arrive(args.plan, item, walk.list);
    last_unit = item.unit;
    next_item(cursor, args, loader.sections);
    if (cursor.end == 0)
      break; /* here, so that Q on its way need not be kept over the main loop */
    const fi_item &next = args.plan.items[cursor.at];
    fetch_query(chunks, args, next);
    stage_item(tiles[parity ^ 1], args, next);
  }
  merge_list(args, walk.list, last_unit, flag);
}
