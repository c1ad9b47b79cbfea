/* flashjit: attention group=4 kv=e4m3 scale=head page=16 rope=half keys=unrotated theta=500000 scaling=llama3 */

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
  int kv_common;             /* behind the last token that every row sees */
  int row_begin;             /* first of the tile's rows in fi_plan_arrays.rows */
  unsigned short row_count;  /* tokens of the tile; 0: no item at all */
  unsigned short unit_count; /* merge units that the item feeds */
  int part;                  /* first row of its partial result; -1: it writes the output itself */
  int unit;                  /* first merge unit that it feeds; a unit's rows follow each other in the tile. Is an
                                index of one in any case: the record is read ahead */
  int next;                  /* in fi_plan_arrays.items, what its CTA does behind it; -1: nothing */
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
  int tokens; /* rows */
  int reserved;
};

/* Where the parts of a plan lie in the workspace. */
struct fi_plan_arrays {
  struct fi_plan_header *header;
  struct fi_item *first; /* [ctas] a copy of each CTA's first item */
  struct fi_item *items;
  struct fi_row *rows;
  struct fi_unit *units;
  unsigned *arrivals; /* partials that a unit still waits for: all of them between launches */
  float *part_o;      /* [partial rows][head_dim], unnormalised */
  float *part_ml;     /* [partial rows][2]: row maximum in base-2 logits, row sum */
};

/* K or V; strides in elements. */
struct fi_kv_args {
  void *data;
  const float *scales;
  long long page_stride, token_stride, head_stride;
};

struct fi_attention_args {
  struct fi_plan_arrays plan;
  const void *q;
  void *o;
  float *lse;
  struct fi_kv_args k, v;
  const int *positions;
  long long q_token_stride, q_head_stride; /* all strides in elements */
  long long o_token_stride, o_head_stride;
  int lse_token_stride; /* query heads */
  float scale_log2;     /* softmax scale * log2(e); at least 2^-80, with which all logits are 0 */
};

constexpr int kHeadDim = 128;            /* elements of a head */
constexpr int kGroup = 4;                /* query heads per KV head */
constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */
constexpr int kRopeDim = 128;            /* dims that are rotated */

constexpr int kThreads = 128;            /* of a CTA */
constexpr int kCtasPerSm = 2;            /* CTAs that share an SM */
constexpr int kRows = 16;                /* of the tile: query tokens x group */
constexpr int kRowWarps = 1;             /* warps of a team, which divide the rows */
constexpr int kRowBlocks = 1;            /* 16-row blocks of a warp */
constexpr int kTeams = 4;                /* each takes its own KV tokens */
constexpr int kTeamTokens = 32;          /* KV tokens of a team in one step */
constexpr int kStages = 2;               /* steps of KV in the ring */
constexpr int kKvBytes = 1;              /* of a stored element of K or V */
constexpr int kKvPitch = 128;            /* bytes from row to row of a K or V tile */
constexpr int kWidePitch = 272;          /* bytes from row to row of a tile of 16-bit elements */
constexpr int kSharedRings = 0;          /* byte offset in shared memory: the rings of KV stages */
constexpr int kSharedQuery = 65536;      /* the tile of Q */
constexpr int kSharedRotated = 69888;    /* K after rotation, one tile a team */
constexpr int kSharedState = 104704;     /* row maxima and sums of the teams */
constexpr int kSharedItems = 105216;     /* work items with the rows of their tiles */
constexpr int kSharedReady = 105808;     /* first of the units to merge */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

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

/*
 * Waits for the launch in front of this one and its writes. No kernel executes griddepcontrol.launch_dependents, so
 * that the launch behind begins when all CTAs of this one have ended: CTAs that came earlier would share the SMs where
 * work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
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

u32 pack_f16(float low, float high) {
  u32 word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

u32 pack_bf16(float low, float high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

float2 unpack_f16(u32 word) {
  float2 pair;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\ncvt.f32.f16 %0, low;\ncvt.f32.f16 %1, high;\n}"
      : "=f"(pair.x), "=f"(pair.y)
      : "r"(word));
  return pair;
}

float2 unpack_bf16(u32 word) {
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}

/* Four e4m3 values as two pairs of f16. */
uint2 f16_of_fp8(u32 codes) {
  uint2 pairs;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\ncvt.rn.f16x2.e4m3x2 %1, high;\n}"
      : "=r"(pairs.x), "=r"(pairs.y)
      : "r"(codes));
  return pairs;
}

/* Two values as a pair of the type that the matrix instructions take. */
u32 pack_compute(float low, float high) {
  return pack_f16(low, high);
}

float2 unpack_query(u32 word) {
  return unpack_bf16(word);
}

u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}

/* c += a b: 16 x 16 by 16 x 8 elements of f16 over a warp, in the fragment layout of mma.m16n8k16. */
void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* The page ids of a request, first token's first. */
const int *pages_of(const fi_plan_header &header, int kv_base) {
  return header.page_table + kv_base * header.page_table_stride;
}

/* The row of a token and head; `page` is that of the token. */
u8 *kv_row(const fi_kv_args &kv, int page, int token, int head) {
  const long long row = page * kv.page_stride + (u32)token % kPageSize * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBytes;
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
constexpr u32 kPassRows = 32 / kRowChunks;           /* rows that a warp copies at once, a chunk a lane */
constexpr u32 kWarpTokens = kTeamTokens / kRowWarps; /* consecutive rows of the team's tile that a warp copies */
constexpr int kStepTokens = kTeams * kTeamTokens;    /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Fills the team's ring, some steps ahead of the computation, running on from item to item. */
struct KvLoader {
  u32 stage;  /* of the next step to compute */
  int next;   /* the item behind the current one; -1: none */
  u32 ahead;  /* lane l: its word l, so that going on to it does not wait for memory */
  const int *pages; /* of the current item's request */
  int page;   /* of this lane's row of the next step */
  int kv_head;
  int kv_end;
  int token;  /* first of the CTA's next step; none is left when it is not below kv_end */
};

/* Words of an item over the lanes of a warp. */
u32 item_word(const fi_item &item) {
  return ((const u32 *)&item)[min(lane(), kItemWords - 1)];
}

/* Goes on to the item whose words are in loader.ahead, and asks for the one behind it. */
void take_item(KvLoader &loader, const fi_attention_args &args) {
  const int kv_base = (int)__shfl_sync(kAllLanes, loader.ahead, 0);
  loader.pages = pages_of(*args.plan.header, kv_base);
  loader.kv_head = (int)__shfl_sync(kAllLanes, loader.ahead, 1);
  loader.token = (int)__shfl_sync(kAllLanes, loader.ahead, 2);
  loader.kv_end = (int)__shfl_sync(kAllLanes, loader.ahead, 3);
  loader.next = (int)__shfl_sync(kAllLanes, loader.ahead, kItemWords - 1);
  if (loader.next >= 0)
    loader.ahead = item_word(args.plan.items[loader.next]);
}

/* First token of the warp's rows in the next step. */
int warp_token(const KvLoader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

/* When an item has been loaded goes on to the next that has KV. */
void settle(KvLoader &loader, const fi_attention_args &args) {
  while (loader.token >= loader.kv_end && loader.next >= 0)
    take_item(loader, args);
  const int token = warp_token(loader) + (int)(lane() % kWarpTokens); /* looked up early: load_step need not wait */
  if (token < loader.kv_end)
    loader.page = loader.pages[(u32)token / kPageSize];
}

void open_loader(KvLoader &loader, const fi_attention_args &args, const fi_item &first) {
  loader.ahead = item_word(first);
  loader.page = 0;
  loader.stage = 0;
  take_item(loader, args);
  settle(loader, args);
}

/* Starts the copies of the warp's rows of K or V into a tile; rows after the item's range are cleared. */
void copy_rows(const KvLoader &loader, const fi_kv_args &kv, u32 tile) {
  const int token = warp_token(loader);
  const u32 lane = fresh_lane();
  const u32 place = lane / kRowChunks;
  const u32 chunk = lane % kRowChunks;
  const u8 *own = kv_row(kv, loader.page, token + (int)(lane % kWarpTokens), loader.kv_head);
#pragma unroll
  for (u32 i = 0; i < kWarpTokens; i += kPassRows) {
    const u32 row = i + place;
    const u8 *from = (const u8 *)__shfl_sync(kAllLanes, (long long)own, row) + chunk * 16;
    if (place >= kPassRows || row >= kWarpTokens)
      continue;
    copy_async(tile + kv_chunk(team_warp() * kWarpTokens + row, chunk), from, token + (int)row < loader.kv_end);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step behind it. */
void load_step(KvLoader &loader, const fi_attention_args &args, u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_rows(loader, args.k, shared_address(stage));
    copy_rows(loader, args.v, shared_address(stage) + kTileBytes);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/* What the warps need to know of a row of the tile. */
struct TileRow {
  int token;   /* in Q and O */
  int visible; /* KV tokens that it sees */
  int part;    /* its row among the item's partial rows */
  int position; /* that it is rotated to */
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
    to.visible = min(item.kv_end, source.position + 1);
    to.position = source.position;
  }
}

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

float minus_infinity() {
  return __uint_as_float(0xff800000u);
}

float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

float cos_fast(float x) {
  float y;
  asm("cos.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

float sin_fast(float x) {
  float y;
  asm("sin.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/* Turns per token of each rotated pair, in units of 2^-64. */
__constant__ unsigned long long kTurnsPerToken[kRopeDim / 2] = {
    0x28be60db93910000ull, 0x2130c415f3510000ull, 0x1b099caaeb290000ull, 0x160676e367bd0000ull,
    0x11f130b61c280000ull, 0x0e9db12441930000ull, 0x0be80bf811770000ull, 0x09b2fdcd660f0000ull,
    0x07e6b00674650000ull, 0x066fb75756cd0000ull, 0x053e420be23a0000ull, 0x04456d2eb6e80000ull,
    0x037ab95c63e90000ull, 0x02d5996384cc0000ull, 0x024f15e9666a0000ull, 0x01e1822dbdcf0000ull,
    0x01883ec0e5870000ull, 0x013f8796b76e0000ull, 0x01044b5ace150000ull, 0x00d40a4eee9e0000ull,
    0x00acbb4dc9a20000ull, 0x008cb5ce97040000ull, 0x00729ffc19e60000ull, 0x005d601d9ec40000ull,
    0x004c10b4617b0000ull, 0x003df6ccff120000ull, 0x00327a1c62c50000ull, 0x00291e93003d0000ull,
    0x00217f20f7660000ull, 0x001699208a800000ull, 0x000e4f32ce010000ull, 0x0008efad84030000ull,
    0x0005796e9c550000ull, 0x000342f296f30000ull, 0x0001dca5be030000ull, 0x0000ff2af3060000ull,
    0x0000cfdd33450000ull, 0x0000a95463d80000ull, 0x000089f058770000ull, 0x0000705e0b960000ull,
    0x00005b8950f40000ull, 0x00004a912ee90000ull, 0x00003cbe60ae0000ull, 0x0000317b9b0a0000ull,
    0x0000284f3ff60000ull, 0x000020d63d200000ull, 0x00001abfddf20000ull, 0x000015ca63f50000ull,
    0x000011c040c50000ull, 0x00000e75d3aa0000ull, 0x00000bc792690000ull, 0x00000998896f0000ull,
    0x000007d123230000ull, 0x0000065e29300000ull, 0x0000052ff5080000ull, 0x00000439c6dc0000ull,
    0x000003713be80000ull, 0x000002cdde500000ull, 0x00000248c9b90000ull, 0x000001dc60dd0000ull,
    0x0000018410e70000ull, 0x0000013c20120000ull, 0x0000010185670000ull, 0x000000d1c7f80000ull,
};

/* Units of a row whose elements are rotated; each has kUnitChunks chunks of 8 elements. */
constexpr u32 kRotatedUnits = kRopeDim / 16;

constexpr u32 kUnitChunks = 2;

/* Then come units of one chunk that is left as it is. */
constexpr u32 kRowUnits = kRotatedUnits + (kHeadDim - kRopeDim) / 8;

/* The first chunk of a unit. The second, if it is a rotated one, lies kRotatedUnits chunks behind it. */
u32 unit_chunk(u32 unit) {
  return unit < kRotatedUnits ? unit : unit - kRotatedUnits + kRopeDim / 8;
}

/* 2 pi / 2^32 */
constexpr float kRadians = 1.4629180792671596e-9f;

/*
 * Turns the pair (x, y) of pair number `pair` by its angle at a position. The angle is exact modulo one turn: the
 * table has turns per token in units of 2^-64, and the product wraps as the angle does.
 */
void turn_pair(float &x, float &y, u32 pair, int position) {
  const u64 turns = (u64)(long long)position * kTurnsPerToken[pair];
  const float angle = (float)(int)(turns >> 32) * kRadians;
  const float cosine = cos_fast(angle);
  const float sine = sin_fast(angle);
  const float turned = x * cosine - y * sine;
  y = y * cosine + x * sine;
  x = turned;
}

/* Rotates the elements of unit `unit` of a row: pair i is (values[0][i], values[1][i]). */
void rotate_unit(float (&values)[kUnitChunks][8], u32 unit, int position) {
#pragma unroll
  for (u32 i = 0; i < 8; i++)
    turn_pair(values[0][i], values[1][i], unit * 8 + i, position);
}

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
    const u32 chunk = unit_chunk(unit);
    float values[kUnitChunks][8];
    unpack_chunk(values[0], *(const uint4 *)(query + wide_chunk(row, chunk)));
    if (unit < kRotatedUnits)
      unpack_chunk(values[1], *(const uint4 *)(query + wide_chunk(row, chunk + kRotatedUnits)));
    if (unit < kRotatedUnits)
      rotate_unit(values, unit, tile.rows[row].position);
    write_query_chunk(query, row, chunk, values[0]);
    if (unit < kRotatedUnits)
      write_query_chunk(query, row, chunk + kRotatedUnits, values[1]);
  }
  __syncthreads();
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

/* Fragments of Q of one dim block. */
typedef u32 QueryBlock[kRowBlocks][4];

void load_query_block(QueryBlock &q, const u8 *query, u32 block) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
    load_query_fragment(q[b], query, (team_warp() * kRowBlocks + b) * 16, block);
}

/* Q of an item. */
typedef QueryBlock Query[kDimBlocks];

void load_query(Query &q, const u8 *query) {
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++)
    load_query_block(q[i], query, i);
}

/* scores += Q K^T */
void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + wide_chunk(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
#pragma unroll
  for (u32 i = 0; i < kDimBlocks; i++) {
    const QueryBlock &q = query[i];
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4]; /* tokens 16 t .. + 7 of dims 16 i .. + 7 and + 8 .. + 15, then tokens + 8 .. + 15 of both */
      load_matrices(k, from + wide_chunk(16 * t, 2 * i));
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}

/* Eight elements of chunk c of a row of a K tile. */
void read_key_chunk(float (&values)[8], const u8 *keys, u32 row, u32 chunk) {
  const uint2 codes = *(const uint2 *)(keys + kv_chunk(row, chunk / 2) + chunk % 2 * 8);
  const uint2 first = f16_of_fp8(codes.x);
  const uint2 second = f16_of_fp8(codes.y);
  const u32 pairs[4] = {first.x, first.y, second.x, second.y};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack_f16(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

void write_key_chunk(u8 *rotated, u32 row, u32 chunk, const float (&values)[8]) {
  *(uint4 *)(rotated + wide_chunk(row, chunk)) =
      make_uint4(pack_compute(values[0], values[1]), pack_compute(values[2], values[3]),
                 pack_compute(values[4], values[5]), pack_compute(values[6], values[7]));
}

/*
 * Rotates the team's K tile, whose first token is `token`, into a tile of 16-bit rows. Ends with a barrier of the
 * team.
 */
void rotate_keys(u8 *rotated, const u8 *keys, int token) {
#pragma unroll 1
  for (u32 i = fresh_thread() % (32 * kRowWarps); i < kTeamTokens * kRowUnits; i += 32 * kRowWarps) {
    const u32 row = i / kRowUnits;
    const u32 unit = i % kRowUnits;
    const u32 chunk = unit_chunk(unit);
    float values[kUnitChunks][8];
    read_key_chunk(values[0], keys, row, chunk);
    if (unit < kRotatedUnits) {
      read_key_chunk(values[1], keys, row, chunk + kRotatedUnits);
      rotate_unit(values, unit, token + (int)row);
      write_key_chunk(rotated, row, chunk + kRotatedUnits, values[1]);
    }
    write_key_chunk(rotated, row, chunk, values[0]);
  }
  sync_team();
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

/* The tile's row of group 0 of this lane. */
u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kRowWarps * (16 * kRowBlocks) + thread % 32 / 4;
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

/* Turns a score into a base-2 logit. At least 2^-80, as scale_log2 is: masked scores must stay far below others. */
float score_scale(const fi_attention_args &args, int kv_head) {
  const float scale = args.scale_log2 * args.k.scales[kv_head];
  return scale < 0x1p-80f ? 0x1p-80f : scale;
}

/* How far (base-2 logits) a row's scores may exceed its maximum: their probabilities, at most 2^8, fit f16. */
constexpr float kSlack = 8;

/*
 * Lifts the rows' maxima to those of the new scores, and rescales O and sums by it, if some row of the warp has scores
 * that exceed its maximum by more than the slack.
 */
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
    moved |= (most[r] - state.most[r]) * scale > kSlack;
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

/* Closes an item: sums over all columns, maxima in base-2 logits; -infinity and 0 for rows that saw nothing. */
void close_rows(RowState &state, float scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 1); /* all lanes, whichever rows are empty */
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 2);
    const bool empty = state.most[r] == kMasked;
    state.sum[r] = empty ? 0 : state.sum[r];
    state.most[r] = empty ? minus_infinity() : state.most[r] * scale;
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

/*
 * O += P V. The transposing load works on pairs of dims: word m holds dims 2 (l / 4) and + 1 of tokens 8 m + 2 (l
 * % 4) and + 1. Even and odd dims are separated by a byte permutation and go to the even and odd octets of O.
 */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + kv_chunk(lane(), 0);
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 32; t++) {
    u32 p[2][kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++) {
      pack_scores(p[0][b], scores, b, 2 * t);
      pack_scores(p[1][b], scores, b, 2 * t + 1);
    }
#pragma unroll
    for (u32 i = 0; i < kDimBlocks; i++) {
      u32 v[4];
      load_matrices_transposed(v, kv_along(from, i) + 32 * t * kKvPitch);
#pragma unroll
      for (u32 s = 0; s < 2; s++) {
        const uint2 even = f16_of_fp8(__byte_perm(v[2 * s], v[2 * s + 1], 0x6420));
        const uint2 odd = f16_of_fp8(__byte_perm(v[2 * s], v[2 * s + 1], 0x7531));
#pragma unroll
        for (u32 b = 0; b < kRowBlocks; b++) {
          mma(o[b][2 * i], p[s][b], even.x, even.y);
          mma(o[b][2 * i + 1], p[s][b], odd.x, odd.y);
        }
      }
    }
  }
}

/* Pair p of row group r: two values that lie next to each other in the row, and their column. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  const u32 e = r % 2 * 2 + p % 2;
  return make_float2(o[r / 2][p / 2 * 2][e], o[r / 2][p / 2 * 2 + 1][e]);
}

u32 pair_column(u32 lane, u32 p) {
  return p / 2 * 16 + 4 * (lane % 4) + p % 2 * 2;
}

/* Threads that share a row, of which each takes kQuads groups of four columns: thread i has i, i + kRowThreads, ... */
template <u32 kQuads> constexpr u32 kRowThreads = kHeadDim / 4 / kQuads;

/* A thread's columns of a row: O, not normalised, and the row's maximum (base-2 logit) and sum. */
template <u32 kQuads> struct Partial {
  float4 o[kQuads];
  float most;
  float sum;
};

/* to = to_factor * to + factor * from */
void add_scaled(float4 &to, float to_factor, const float4 &from, float factor) {
  to.x = to.x * to_factor + from.x * factor;
  to.y = to.y * to_factor + from.y * factor;
  to.z = to.z * to_factor + from.z * factor;
  to.w = to.w * to_factor + from.w * factor;
}

/*
 * Joins `count` partials, kAtOnce at a time. From one to the next it is state_step to its maximum and sum, and
 * value_step to its columns.
 */
template <int kAtOnce, u32 kQuads>
Partial<kQuads> join(const float2 *states, int state_step, const float *values, int value_step, int count) {
  Partial<kQuads> joined = {{}, minus_infinity(), 0};
#pragma unroll 1
  for (int first = 0; first < count; first += kAtOnce) {
    float2 state[kAtOnce];
    float4 o[kAtOnce][kQuads];
    float most = joined.most;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const long long part = min(first + i, count - 1); /* past the end: the last one again, with weight 0 */
      state[i] = states[part * state_step];
#pragma unroll
      for (u32 q = 0; q < kQuads; q++)
        o[i][q] = *(const float4 *)(values + part * value_step + q * (4 * kRowThreads<kQuads>));
      most = fmaxf(most, state[i].x);
    }
    float shrink = joined.sum > 0 ? exp2_fast(joined.most - most) : 0;
    joined.most = most;
    joined.sum *= shrink;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const bool counts = first + i < count && state[i].y > 0;
      const float weight = counts ? exp2_fast(state[i].x - most) : 0;
      joined.sum += weight * state[i].y;
#pragma unroll
      for (u32 q = 0; q < kQuads; q++)
        add_scaled(joined.o[q], shrink, o[i][q], weight);
      shrink = 1;
    }
  }
  return joined;
}

/* What normalises a row: 1 / sum, times the scale of V; 0 for a row that saw nothing. */
float row_factor(const fi_attention_args &args, int kv_head, float sum) {
  return sum > 0 ? args.v.scales[kv_head] / sum : 0;
}

/* Writes the thread's columns, from `column` on, of row `row` of a tile or unit; `token` is the row's. */
template <u32 kQuads>
void write_row(const fi_attention_args &args, int token, int kv_head, u32 row, u32 column,
               const Partial<kQuads> &part) {
  const u32 head = kv_head * kGroup + row % kGroup;
  const float factor = row_factor(args, kv_head, part.sum);
  u16 *to = (u16 *)args.o + token * args.o_token_stride + head * args.o_head_stride + column;
#pragma unroll
  for (u32 q = 0; q < kQuads; q++) {
    const float4 o = part.o[q];
    const uint2 words = {pack_output(o.x * factor, o.y * factor), pack_output(o.z * factor, o.w * factor)};
    *(uint2 *)(to + q * (4 * kRowThreads<kQuads>)) = words;
  }
}

/* Maximum (base-2 logit) and sum of each row of each team. */
typedef float2 TeamState[kRows];

/*
 * Where column `column` of a row lies in a team's area. Rows are turned against each other by 8 columns, so that the
 * eight rows of a fragment use different banks.
 */
u32 exchange_column(u32 row, u32 column) {
  return row * kHeadDim + (column + row * 8) % kHeadDim;
}

/* Writes the warp's rows, of the tile's `row_count`, to its team's area. */
void exchange_rows(const RowState &state, u32 row_count, float *area, TeamState &team_state) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= row_count)
      continue;
#pragma unroll
    for (u32 p = 0; p < kHeadDim / 8; p++)
      *(float2 *)(area + exchange_column(row, pair_column(lane, p))) = pair_of(state.o, r, p);
    if (lane % 4 == 0)
      team_state[row] = make_float2(state.most[r], state.sum[r]);
  }
}

/* Writes the item's rows to O, or as a partial. `areas` is the stage of the first team's ring that is free. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *areas, TeamState *states) {
  const fi_item &item = tile.item;
  const u32 rows = item.row_count * kGroup;
  sync_team();
  exchange_rows(state, rows, (float *)(areas + team() * kRingBytes), states[team()]);
  __syncthreads();
#pragma unroll 1
  for (u32 i = fresh_thread(); i < rows * kRowThreads<1>; i += kThreads) {
    const u32 row = i / kRowThreads<1>;
    const u32 column = i % kRowThreads<1> * 4;
    const float *values = (const float *)areas + exchange_column(row, column);
    const Partial<1> part = join<kTeams, 1>(&states[0][row], kRows, values, kRingBytes / 4, kTeams);
    if (item.part < 0) {
      write_row(args, tile.rows[row].token, item.kv_head, row, column, part);
      continue;
    }
    const long long part_row = item.part + tile.rows[row].part;
    *(float4 *)(args.plan.part_o + part_row * kHeadDim + column) = part.o[0];
    if (column == 0)
      *(float2 *)(args.plan.part_ml + part_row * 2) = make_float2(part.most, part.sum);
  }
}

constexpr int kMergeParts = 8; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 2; /* groups of four columns that a thread takes of a row */
constexpr u32 kMergeThreads = kRowThreads<kMergeQuads>; /* of a row */

/*
 * After the item's partial is written: counts down at each unit that it feeds. A unit whose last partial this is goes
 * into the list of those that the CTA merges, whose head is `ready`.
 */
void arrive(const fi_plan_arrays &plan, const fi_item &item, int &ready) {
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int u = item.unit; u < item.unit + item.unit_count; u++)
    if (count_down(plan.arrivals + u) == 1) {
      plan.units[u].next = ready;
      ready = u;
    }
}

/* Merges all partials of a unit and writes its rows of O. */
void merge_unit(const fi_attention_args &args, const fi_unit &unit) {
#pragma unroll 1
  for (u32 i = fresh_thread(); i < unit.row_count * kGroup * kMergeThreads; i += kThreads) {
    const u32 row = i / kMergeThreads;
    const u32 column = i % kMergeThreads * 4;
    const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
    const long long first = unit.part_begin + row;
    const float2 *states = (const float2 *)args.plan.part_ml + first;
    const float *values = args.plan.part_o + first * kHeadDim + column;
    const int stride = unit.part_stride;
    const Partial<kMergeQuads> part =
        join<kMergeParts, kMergeQuads>(states, stride, values, stride * kHeadDim, unit.part_count);
    write_row(args, token, unit.kv_head, row, column, part);
  }
}

/*
 * Merges the CTA's units behind its items, when nothing else is in the registers, and makes them ready for the next
 * launch. Most often that is the unit of the last item alone, whose record is fetched while the arrival is under way.
 */
void merge_units(const fi_attention_args &args, int last_unit, int &ready) {
  int number = last_unit;
  fi_unit unit = args.plan.units[number];
  for (;;) {
    __syncthreads();
    if (ready < 0)
      return;
    if (ready != number) {
      number = ready;
      unit = args.plan.units[number];
    }
    merge_unit(args, unit);
    __syncthreads();
    if (threadIdx.x == 0) {
      ready = args.plan.units[number].next;
      args.plan.arrivals[number] = unit.part_count;
    }
  }
}

static_assert(kSharedItems + (kTeams > 1 ? 2 : 1) * sizeof(ItemTile) <= kSharedReady, "room for the tiles");

/* Stage `stage` of a team's ring. */
u8 *stage_of(u8 *shared, u32 team, u32 stage) {
  return shared + kSharedRings + team * kRingBytes + stage * kStageBytes;
}

u32 previous_stage(u32 stage) {
  return stage == 0 ? kStages - 1 : stage - 1;
}

/*
 * The team's part of an item: step by step its KV is scored, masked, weighted and summed into the state. The stage
 * before that of the step is free, and takes the loads of a later one.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemTile &tile, KvLoader &loader, u8 *shared) {
  u8 *rotated = shared + kSharedRotated + team() * (kTeamTokens * kWidePitch);
  const float scale = score_scale(args, tile.item.kv_head);
  const int offset = team() * kTeamTokens;
  Query query;
  load_query(query, shared + kSharedQuery);
#pragma unroll 1
  for (int token = tile.item.kv_begin + offset; token - offset < tile.item.kv_end; token += kStepTokens) {
    copy_wait<kStages - 2>();
    sync_team();
    load_step(loader, args, stage_of(shared, team(), previous_stage(loader.stage)));
    const u8 *keys = stage_of(shared, team(), loader.stage);
    rotate_keys(rotated, keys, token);
    loader.stage = loader.stage == kStages - 1 ? 0 : loader.stage + 1;
    const bool common = token + (int)kTeamTokens <= tile.item.kv_common;
    Scores scores = {};
    score(scores, query, rotated);
    if (!common)
      mask(scores, tile.rows, token);
    softmax(state, scores, scale);
    accumulate(state.o, scores, keys + kTileBytes);
  }
  close_rows(state, scale);
}

/*
 * One CTA works through its items of the plan. Each team of warps has its own ring of KV stages, which runs on from
 * one item to the next: while a step is computed, the loads of the steps behind it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
  wait_for_stream();
  extern __shared__ __align__(1024) u8 shared[];
  u8 *query = shared + kSharedQuery;
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  int &ready = *(int *)(shared + kSharedReady); /* first of the units that this CTA must merge */
  const fi_item *first = args.plan.first + blockIdx.x;
  if ((first->row_count == 0) | (args.plan.header->tokens == 0)) /* both asked for at once, since both are needed */
    return;
  KvLoader loader;
  open_loader(loader, args, *first);
  if (threadIdx.x == 0)
    ready = -1;

  const fi_item *item = first;
  for (u32 parity = 0;; parity ^= 1) {
    ItemTile &tile = tiles[parity];
    QueryChunks chunks;
    fetch_query(chunks, args, *item);
    /* The first Q is asked for before its KV, which keeps the memory busy for a while. */
    for (u32 s = 0; item == first && s < kStages - 1; s++)
      load_step(loader, args, stage_of(shared, team(), s));
    stage_item(tile, args, *item);
    store_query(query, chunks);
    __syncthreads();
    transform_query(query, tile);
    RowState state = {};
#pragma unroll
    for (float &most : state.most)
      most = kMasked;
    attend(state, args, tile, loader, shared);
    u8 *areas = stage_of(shared, 0, previous_stage(loader.stage));
    publish(args, tile, state, areas, (TeamState *)(shared + kSharedState));
    if (tile.item.part >= 0)
      arrive(args.plan, tile.item, ready);
    if (tile.item.next < 0)
      return merge_units(args, tile.item.unit, ready);
    item = args.plan.items + tile.item.next;
  }
}
