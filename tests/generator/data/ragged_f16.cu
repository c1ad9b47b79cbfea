/* flashjit: attention hd=64 rows=128 q=f16 index=csr lse=1 */

/* Of records that are written and read in pieces of 16 bytes. */
#define FI_WIDE __attribute__((aligned(16)))

/* One query token of the batch. A tile's tokens are consecutive rows, which may belong to several requests. */
struct FI_WIDE fi_row {
  int token;    /* index in Q, O, LSE, positions */
  int position; /* index of the token in its request's KV: the last KV token it sees when causal */
  int kv_base;  /* as fi_item.kv_base */
  int part;     /* where its rows lie in a partial result, from the item's first row of partials on */
};

/* KV tokens from `first` to before `end`, of a request; none where end is not after first. */
struct fi_interval {
  int first, end;
};

/*
 * A work item: rows of one tile against one range of one KV head. kv_base is where the KV of the request is found: the
 * request's number (dense index) or kv_indptr[request] (CSR). With lists the tile is one query token, the range is one
 * of the tokens of its list, in the list's order, and inner_begin to inner_end is what it sees of the KV but for that.
 * With lists of a second KV it is one of the tokens inner_begin to inner_end of the first and, after them, of the list.
 */
struct FI_WIDE fi_item {
  int kv_base;
  int kv_head;
  int kv_begin;              /* first token of the range */
  int kv_end;                /* after its last token; no row sees beyond it */
  int inner_begin;           /* every row sees the tokens from here on .. */
  int inner_end;             /* .. to before this one; none where it is not after inner_begin */
  int row_begin;             /* first of the tile's rows in fi_plan_arrays.rows */
  unsigned short row_count;  /* tokens of the tile; 0: no item at all */
  unsigned short unit_count; /* merge units that the item feeds */
  int part;                  /* first row of its partial result; -1: it writes the output itself */
  int unit;                  /* first merge unit that it feeds; a unit's rows follow each other in the tile. Is an
                                index of one in any case: the record is read ahead */
  int next;                  /* in fi_plan_arrays.items, what its CTA does after it; -1: nothing; FI_NEXT_CLAIMED */
  int kv_len;                /* of its request; where lists are of a second KV, that of this one */
};

/* Items that no CTA has yet, when a launch begins: each begins with the item of its number, and claims the others. */
struct fi_queue {
  int next;  /* that is claimed next; `first` between launches */
  int first; /* that is claimed at all: as many CTAs have an item */
  int count; /* of items */
  int reserved;
};

/*
 * Rows of one KV head whose result is the merge of partials: partial i is rows part_begin + i * part_stride and on.
 * Many partials are merged in groups, each a unit of its own whose result takes the place of the group's first partial,
 * but for its maxima and sums: these are in group_ml, and the stride says that the parts are groups.
 */
struct fi_unit {
  int row_begin, row_count;
  int kv_head;
  int part_begin, part_stride, part_count;
  int next;   /* in the list of units that a CTA must merge; written during a launch */
  int parent; /* 1 + the unit that a group is a part of; 0: the result goes to the output. Where CTAs merge units
                 together: 1 + the place in arrivals of how many slices are taken; 0: one CTA merges it all */
};

/* What a plan says of its whole batch. Begins with what is public as fi_fault. */
struct fi_plan_header {
  unsigned fault;
  unsigned fault_request;
  long long fault_value;
  const void *page_table;
  long long page_table_stride;
  const void *second_page_table; /* of a second KV */
  long long second_page_table_stride;
  int tokens;       /* rows */
  unsigned id;      /* of the kernel and the bounds that the plan was made for */
  unsigned rows_id; /* of what an append kernel must have in common with them */
  unsigned reserved;
};

/* Where the parts of a plan lie in the workspace. */
struct fi_plan_arrays {
  struct fi_plan_header *header;
  struct fi_item *first; /* [ctas] a copy of each CTA's first item */
  struct fi_item *items;
  struct fi_queue *queue; /* of kernels that claim items */
  struct fi_row *rows;
  struct fi_interval *seen;  /* for masks that need it: the KV tokens that each row sees */
  const unsigned **row_bits; /* for packed masks: the first word of each row */
  int *requests;             /* for kernels with a snippet: the request of each row */
  struct fi_unit *units;
  unsigned *arrivals; /* partials that a unit still waits for: all of them between launches, but for bit 31 where CTAs
                         merge units together, which count their slices here, too */
  float *part_o;      /* [partial rows][v_dim], unnormalised */
  float *part_ml;     /* [partial rows][2]: row maximum (a score, not scaled), row sum */
  float *group_ml;    /* [partial rows][2]: the same of groups of partials, at the rows of the first */
};

/* K or V; strides in elements. */
struct fi_kv_args {
  void *data;
  float *scales;
  long long page_stride, token_stride, head_stride;
  long long scale_page_stride, scale_token_stride, scale_head_stride; /* of the scales of tokens */
  float scale; /* that of append; attention has it in scale_log2 and o_factor */
  int reserved;
};

/* What rotated rows turn by. */
struct fi_rope_args {
  const unsigned long long *table; /* turns per token of each pair, in units of 2^-64 */
  const int *key_positions;        /* null: keys are where their indexes say */
  long long position_stride;       /* between the three positions of a token */
  long long key_position_stride;   /* of a key */
  long long key_page_stride;       /* between pages, or requests */
  float magnitude;
  int reserved;
};

/* Of launches that are on the machine together: one that is not the first, and one that is not the last. */
#define FI_ORDER_FOLLOWS 1 /* has one CTA more, which waits for the launch in front */

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
  unsigned plan_id;     /* that the header must have */
  float o_factor;       /* what O is multiplied with: the output scale and V's on the host */
  float scale_log2;     /* softmax scale * K's scale on the host * log2(e); * 2 / softcap where there is one */
  const float *sinks;
  const float *slopes;
  const void *bias;
  long long bias_token_stride, bias_head_stride;
  int bias_extent, bias_first;
  float cap_log2; /* softcap * log2(e) */
  unsigned order; /* FI_ORDER_..., of launches that are on the machine together; 0: it is alone */
  struct fi_rope_args rope;
  const void *snippet_params;
  const int *selected; /* lists of blocks */
  long long selected_token_stride, selected_head_stride;
  struct fi_kv_args second_k, second_v; /* of a second KV, which lists are of */
};

constexpr int kVDim = 64;                /* elements of a row of V and O */
constexpr int kGroup = 1;                /* query heads per KV head */
constexpr int kMaskBits = 0;             /* 1: a packed mask says which of them are seen */
constexpr int kQkDim = 64;               /* elements of a head of Q and K */
constexpr int kKvBits = 16;              /* of a stored element of K or V */
constexpr int kHidesTokens = 0;          /* 1: logits of -infinity are of tokens that are not seen */

constexpr int kThreads = 128;            /* of a CTA */
constexpr int kCtasPerSm = 2;            /* CTAs that share an SM */
constexpr int kRows = 128;               /* of the tile: query tokens x group */
constexpr int kTeams = 1;                /* each takes its own KV tokens */
constexpr int kTeamTokens = 64;          /* KV tokens of a team in one step */
constexpr int kStages = 2;               /* steps of KV in the ring */
constexpr int kWorkers = 128;            /* threads that compute: all */
constexpr int kRowWarps = 4;             /* warps of a team that divide the rows */
constexpr int kValueWarps = 1;           /* warps with the same rows, which divide the dims of V */
constexpr int kRowBlocks = 2;            /* 16-row blocks of a warp */
constexpr int kKeyPitch = 144;           /* bytes from row to row of a tile of K */
constexpr int kValuePitch = 144;         /* bytes from row to row of a tile of V */
constexpr int kQueryPitch = 144;         /* bytes from row to row of a tile of Q, or of K after rotation */
constexpr int kSharedRings = 0;          /* byte offset in shared memory: the rings of KV stages */
constexpr int kSharedQuery = 36864;      /* the tile of Q */
constexpr int kSharedItems = 55296;      /* work items with the rows of their tiles */
constexpr int kSharedReady = 58928;      /* first of the units to merge */
constexpr int kSharedOdd = 58932;        /* 1: V is infinite or NaN where not all rows see it */

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

/* Launches of this target follow each other. */
bool begins_to_wait(u32 order) {
  return false;
}

/* c += a b: 16 x 16 by 16 x 8 elements of f16 over a warp, in the fragment layout of mma.m16n8k16. */
void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

u32 pack_f16(float low, float high) {
  u32 word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

float2 unpack_f16(u32 word) {
  float2 pair;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\ncvt.f32.f16 %0, low;\ncvt.f32.f16 %1, high;\n}"
      : "=f"(pair.x), "=f"(pair.y)
      : "r"(word));
  return pair;
}

constexpr u32 kKeyRowBytes = kQkDim * kKvBits / 8;
constexpr u32 kValueRowBytes = kVDim * kKvBits / 8;
constexpr u32 kKeysAt = 0; /* where the tile of K begins in a stage, and that of V */
constexpr u32 kValuesAt = kTeamTokens * kKeyPitch;
constexpr u32 kStageBytes = kValuesAt + kTeamTokens * kValuePitch;
constexpr u32 kRingBytes = kStages * kStageBytes;

/*
 * 16-byte chunk `chunk` of row `row` of a tile, such that eight rows' same chunk is in eight banks: chunks change
 * places by row where a row is a multiple of 128 bytes, and the pitch is an odd number of chunks elsewhere.
 */
template <u32 kPitch> u32 chunk_at(u32 row, u32 chunk) {
  if constexpr (kPitch % 128 == 0)
    return row * kPitch + (chunk ^ row % 8) * 16;
  else
    return row * kPitch + chunk * 16;
}

/* From the address of chunk 0 or 1 of a row to that of the chunk `chunks` on, which is even in the latter case. */
template <u32 kPitch> u32 chunks_along(u32 address, u32 chunks) {
  if constexpr (kPitch % 128 == 0)
    return (address ^ chunks % 8 * 16) + chunks / 8 * 128;
  else
    return address + chunks * 16;
}

/* Stage `stage` of a team's ring. */
u8 *stage_of(u8 *shared, u32 team, u32 stage) {
  return shared + kSharedRings + team * kRingBytes + stage * kStageBytes;
}

u32 stage_before(u32 stage) {
  return stage == 0 ? kStages - 1 : stage - 1;
}

u32 stage_after(u32 stage) {
  return stage == kStages - 1 ? 0 : stage + 1;
}

/* The tiles of K and V in a stage. */
const u8 *keys_of(const u8 *stage) {
  return stage + kKeysAt;
}

const u8 *values_of(const u8 *stage, const u8 *keys) {
  return stage + kValuesAt;
}

/* Two values as a pair of the type that the matrix instructions take, and back. */
u32 pack_compute(float low, float high) {
  return pack_f16(low, high);
}

float2 unpack_compute(u32 word) {
  return unpack_f16(word);
}

/* Element `dim` of a stored row. */
float stored_element(const u8 *row, u32 dim) {
  return unpack_compute(((const u16 *)row)[dim]).x;
}

constexpr u32 kQueryChunks = kQkDim / 8;

/* Where 16-byte chunk `chunk` of row `row` is in the tile. */
u32 query_offset(u32 row, u32 chunk) {
  return chunk_at<kQueryPitch>(row, chunk);
}

u8 *query_tile(u8 *shared) {
  return shared + kSharedQuery;
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
 * Takes one from a counter and returns what it was. Releases this CTA's writes and acquires the others': after
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

/* Fragment of 16 rows and the two chunks of block `block`: word w has rows l / 4 + 8 (w % 2) of chunk w / 2. */
void load_query_fragment(u32 (&fragment)[4], const u8 *query, u32 first_row, u32 block) {
  const u32 from = shared_address(query) + chunk_at<kQueryPitch>(lane() % 16, lane() / 16);
  load_matrices(fragment, from + chunk_at<kQueryPitch>(first_row, 2 * block));
}

/* Threads of a CTA that act together: kCount of them from `first` on, with a barrier of their own. */
template <u32 kCount> struct Threads {
  u32 first;
  u32 barrier; /* 0 is that of the whole CTA */

  /* The thread's number among them, worked out anew at each use (see fresh_thread). */
  u32 number() const {
    return (fresh_thread() - first) % kCount;
  }

  bool leads() const {
    return threadIdx.x == first;
  }

  void sync() const {
    if constexpr (kCount == 32)
      __syncwarp();
    else if constexpr (kCount == kThreads)
      __syncthreads();
    else
      asm volatile("barrier.sync %0, %1;" ::"r"(barrier), "n"(kCount) : "memory");
  }
};

typedef Threads<kThreads> Cta;

/* Those that compute. */
typedef Threads<kWorkers> Workers;

constexpr u32 kTeamWarps = kRowWarps * kValueWarps;

typedef Threads<32 * kTeamWarps> Team;

u32 team() {
  return kTeams == 1 ? 0 : warp() / kTeamWarps;
}

Team team_threads() {
  return {team() * (32 * kTeamWarps), 1 + team()};
}

/* The warp's place in its team: which KV tokens it copies. */
u32 team_warp() {
  return warp() % kTeamWarps;
}

/* Which of the team's rows are its own, and which share of the dims of O. */
u32 row_warp() {
  return team_warp() / kValueWarps;
}

u32 value_share() {
  return team_warp() % kValueWarps;
}

/*
 * A warp's accumulator is blocks of 16 rows and octets of columns. A lane has two elements of an octet in each row of a
 * group: lane l has row 8 r + l / 4 in group r, which is half r % 2 of block r / 2.
 */
template <u32 kBlocks, u32 kOctets> float &at(float (&tile)[kBlocks][kOctets][4], u32 group, u32 i) {
  return tile[group / 2][i / 2][group % 2 * 2 + i % 2];
}

template <u32 kBlocks, u32 kOctets> float at(const float (&tile)[kBlocks][kOctets][4], u32 group, u32 i) {
  return tile[group / 2][i / 2][group % 2 * 2 + i % 2];
}

/* The column of a lane's first element of a row. */
u32 first_column(u32 lane) {
  return 2 * (lane % 4);
}

/* From there on, the column of its element i. */
constexpr u32 column_step(u32 i) {
  return i / 2 * 8 + i % 2;
}

/* The operand A of 16 columns of block b, t of them before: two octets have its layout already. */
template <u32 kBlocks, u32 kOctets>
void pack_operand(u32 (&fragment)[4], const float (&tile)[kBlocks][kOctets][4], u32 b, u32 t) {
#pragma unroll
  for (u32 h = 0; h < 2; h++) {
    fragment[2 * h] = pack_compute(tile[b][2 * t + h][0], tile[b][2 * t + h][1]);
    fragment[2 * h + 1] = pack_compute(tile[b][2 * t + h][2], tile[b][2 * t + h][3]);
  }
}

/* What the warps need to know of a row of a tile. */
struct tile_row {
  int token;         /* in Q and O */
  int visible;       /* KV tokens that it sees */
  int part;          /* its row among the item's partial rows */
  int position;      /* that Q is rotated to, where an array has it */
  float query_scale; /* a power of two that its Q was divided by */
  int first;         /* KV token that it sees, where that is not 0 */
  int place;         /* of its token in the KV of its request */
};

/* A thread's place in the KV that it copies, some steps ahead of the computation, running on from item to item. */
struct kv_loader {
  unsigned stage;   /* of the next step to compute */
  int next;         /* the item after the current one; -1: none */
  unsigned ahead;   /* lane l: its word l, so that going on to it does not wait for memory */
  int page;         /* of this lane's row of the next step; without pages kv_base of the current item */
  const void *pages; /* of the current item's request */
  int kv_head;
  int kv_end;
  int kv_begin; /* of the current item */
  int token;    /* first of the CTA's next step; none is left when it is not below kv_end */
};

/* A warp's row groups: 8 rows each, of which a lane has one. */
constexpr u32 kRowGroups = 2 * kRowBlocks;

/* Scores of a warp's rows against the team's tokens. */
typedef float Scores[kRowBlocks][kTeamTokens / 8][4];

/* O of a warp's rows: its share of the dims, in the order of the operand V (pair_column). */
constexpr u32 kShareDims = kVDim / kValueWarps;

typedef float Output[kRowBlocks][kShareDims / 8][4];

/* The query head of row `row` of a tile or unit. */
u32 query_head(int kv_head, u32 row) {
  return kv_head * kGroup + row % kGroup;
}

/* The tile's row of group 0 of this lane. */
u32 first_row() {
  const u32 thread = fresh_thread();
  return thread / 32 % kTeamWarps / kValueWarps * (16 * kRowBlocks) + thread % 32 / 4;
}

/* The first dim of the warp's share of O. */
u32 first_dim() {
  return kValueWarps == 1 ? 0 : fresh_thread() / 32 % kValueWarps * kShareDims;
}

/* Whether the lane writes what is once a row: it has the first of its columns. */
bool has_row_end(u32 lane) {
  return lane % 4 == 0 && first_dim() == 0;
}

/* Two chunks of a row of Q are one step of the matrix instruction. */
constexpr u32 kQueryBlocks = kQueryChunks / 2;

/* Blocks that a loop over the dims of Q has at once: more hide loads, few leave registers free. */
constexpr u32 kQueryUnroll = kQueryBlocks;

/* Fragments of Q of one block of dims. */
typedef u32 QueryBlock[kRowBlocks][4];

void load_query_block(QueryBlock &q, const u8 *query, u32 block) {
#pragma unroll
  for (u32 b = 0; b < kRowBlocks; b++)
    load_query_fragment(q[b], query, (row_warp() * kRowBlocks + b) * 16, block);
}

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

/* scores += Q K^T, for rows of K of kPitch bytes. */
template <u32 kPitch> void score(Scores &scores, const Query &query, const u8 *keys) {
  const u32 from = shared_address(keys) + chunk_at<kPitch>(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2);
#pragma unroll kQueryUnroll
  for (u32 i = 0; i < kQueryBlocks; i++) {
    QueryBlock room;
    const QueryBlock &q = query_block(room, query, i);
#pragma unroll
    for (u32 t = 0; t < kTeamTokens / 16; t++) {
      u32 k[4]; /* tokens 16 t .. + 7 of chunks 2 i and 2 i + 1, then tokens + 8 .. + 15 of both */
      load_matrices(k, chunks_along<kPitch>(from, 2 * i) + 16 * t * kPitch);
#pragma unroll
      for (u32 b = 0; b < kRowBlocks; b++) {
        mma(scores[b][2 * t], q[b], k[0], k[1]);
        mma(scores[b][2 * t + 1], q[b], k[2], k[3]);
      }
    }
  }
}

/* O += P V of 16 tokens, whose weights are packed, for pairs of octets of the warp's share of the dims. */
void accumulate_pairs(Output &o, const u32 (&p)[kRowBlocks][4], u32 share, u32 t) {
#pragma unroll
  for (u32 i = 0; i < kShareDims / 16; i++) {
    u32 v[4]; /* dims 16 i .. + 7 of tokens 16 t .. + 7 and + 8 .. + 15, then dims + 8 .. + 15 of both */
    load_matrices_transposed(v, chunks_along<kValuePitch>(share, 2 * i) + 16 * t * kValuePitch);
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++) {
      mma(o[b][2 * i], p[b], v[0], v[1]);
      mma(o[b][2 * i + 1], p[b], v[2], v[3]);
    }
  }
}

/* O += P V, for the warp's share of the dims. */
void accumulate(Output &o, const Scores &scores, const u8 *values) {
  const u32 from = shared_address(values) + chunk_at<kValuePitch>(lane() % 16, lane() / 16);
  const u32 share = chunks_along<kValuePitch>(from, value_share() * (kShareDims / 8));
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++) {
    u32 p[kRowBlocks][4];
#pragma unroll
    for (u32 b = 0; b < kRowBlocks; b++)
      pack_operand(p[b], scores, b, t);
    accumulate_pairs(o, p, share, t);
  }
}

/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return 2 * p + half;
}

u32 pair_column(u32 lane, u32 p) {
  return 8 * p + 2 * (lane % 4);
}

/* The number of a KV head. */
typedef int KvHead;

/* What kv_row finds a token of a request by: where the KV of the request is. */
int kv_place(const fi_plan_header &header, int kv_base, int token) {
  return kv_base;
}

/* The row of a token and head; kv_base is the request's first token. */
u8 *kv_row(const fi_kv_args &kv, int kv_base, int token, KvHead head) {
  const long long row = ((long long)kv_base + token) * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}

constexpr bool kCausal = true;

/* Notes the KV tokens that a row of the plan sees, of those of the item. */
void note_seen(tile_row &to, const fi_attention_args &args, u32 row, const fi_item &item) {
  const int position = args.plan.rows[row].position;
  to.visible = kCausal ? min(item.kv_end, position + 1) : item.kv_end;
}

/* Rows see KV from its first token on. */
int first_seen(const tile_row &row) {
  return 0;
}

/* Where the steps of an item begin. */
int first_of_steps(int kv_begin) {
  return kv_begin;
}

/* Whether all rows see the `count` KV tokens from `token` on, so that none is masked. */
bool all_visible(const fi_item &item, int token, int count) {
  return token + count <= item.inner_end;
}

/* Whether rows may not see tokens of what they see by the plan: by a packed mask, or by their logits. */
constexpr bool kHides = kMaskBits || kHidesTokens;

/* Whether some row may not see a token of the item. */
bool may_differ(const fi_item &item) {
  return kHides || !all_visible(item, item.kv_begin, item.kv_end - item.kv_begin);
}

constexpr u32 kWarpTokens = kTeamTokens / kTeamWarps; /* consecutive rows of the team's tile that a warp copies */
constexpr int kStepTokens = kTeams * kTeamTokens;     /* of a CTA; team t has those from t * kTeamTokens */
constexpr u32 kItemWords = sizeof(fi_item) / 4;

/* Words of an item over the lanes of a warp. */
u32 item_word(const fi_item &item) {
  return ((const u32 *)&item)[min(lane(), kItemWords - 1)];
}

/* A field of the item whose words are over the lanes. */
int field_of(u32 words, int fi_item::*field) {
  const fi_item *item = nullptr;
  return (int)__shfl_sync(kAllLanes, words, (u32)(u64)&(item->*field) / 4);
}

void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  loader.page = kv_base;
}

/* First token of the warp's rows in the next step. */
int warp_token(const kv_loader &loader) {
  return loader.token + (int)(team() * kTeamTokens + team_warp() * kWarpTokens);
}

void take_kv_begin(kv_loader &loader, int kv_begin) {
  loader.token = kv_begin;
}

/* Which of the warp's rows in the next step are of the item. */
struct ValidRows {
  int end;

  bool has(u32 row) const {
    return (int)row < end;
  }
};

ValidRows valid_rows(const kv_loader &loader) {
  return {loader.kv_end - warp_token(loader)};
}

/* Goes on to the item whose words are in loader.ahead, and asks for the one after it. */
void take_item(kv_loader &loader, const fi_attention_args &args) {
  take_kv_base(loader, args, field_of(loader.ahead, &fi_item::kv_base));
  loader.kv_head = field_of(loader.ahead, &fi_item::kv_head);
  take_kv_begin(loader, field_of(loader.ahead, &fi_item::kv_begin));
  loader.kv_end = field_of(loader.ahead, &fi_item::kv_end);
  loader.next = field_of(loader.ahead, &fi_item::next);
  if (loader.next >= 0)
    loader.ahead = item_word(args.plan.items[loader.next]);
}

/* There are no pages. */
void look_up_page(kv_loader &loader) {}

/* When an item has been loaded goes on to the next that has KV. */
void settle(kv_loader &loader, const fi_attention_args &args) {
  while (loader.token >= loader.kv_end && loader.next >= 0)
    take_item(loader, args);
  look_up_page(loader);
}

void open_loader(kv_loader &loader, const fi_attention_args &args, const fi_item &first) {
  loader.ahead = item_word(first);
  loader.page = 0;
  loader.stage = 0;
  take_item(loader, args);
  settle(loader, args);
}

/*
 * How a warp copies its rows of K or V, of kRowBytes: some rows at once, a chunk a lane, or in several turns a row that
 * has more chunks than the warp has lanes.
 */
template <u32 kRowBytes> struct CopyShape {
  static constexpr u32 kChunks = kRowBytes / 16;
  static constexpr u32 kTurns = (kChunks + 31) / 32;
  static constexpr u32 kRowLanes = kChunks < 32 ? kChunks : 32;
  static constexpr u32 kPassRows = 32 / kRowLanes;
};

/* Where the lane's chunks of K or V lie in the cache: in rows that are `stride` bytes from each other. */
struct RowPlaces {
  const u8 *first; /* of the first pass */
  long long stride;
};

template <u32 kRowLanes> RowPlaces row_places(const fi_kv_args &kv, const kv_loader &loader) {
  const u32 lane = fresh_lane();
  const long long stride = kv.token_stride * kKvBits / 8;
  const u8 *row = kv_row(kv, loader.page, warp_token(loader), loader.kv_head);
  return {row + lane / kRowLanes * stride + lane % kRowLanes * 16, stride};
}

/* The lane's chunk in the pass whose first row is `row`. */
template <u32 kRowLanes> const u8 *row_place(const RowPlaces &places, u32 row) {
  return places.first + row * places.stride;
}

void copy_chunk(u32 to, const u8 *from, bool valid) {
  copy_async(to, from, valid);
}

/* Starts the lane's copies of the pass that begins with row `first`; rows that are not valid are cleared. */
template <u32 kRowBytes, u32 kPitch>
void copy_pass(const RowPlaces &places, u32 tile, u32 first, const ValidRows &valid) {
  typedef CopyShape<kRowBytes> Shape;
  if (first % Shape::kPassRows != 0)
    return;
  const u32 lane = fresh_lane();
  const u32 place = lane / Shape::kRowLanes;
  const u32 chunk = lane % Shape::kRowLanes;
  const u32 row = first + place;
  const u8 *from = row_place<Shape::kRowLanes>(places, first);
  if (place >= Shape::kPassRows || row >= kWarpTokens)
    return;
#pragma unroll
  for (u32 turn = 0; turn < Shape::kTurns; turn++) {
    const u32 at = chunk_at<kPitch>(team_warp() * kWarpTokens + row, turn * 32 + chunk);
    if (turn * 32 + chunk < Shape::kChunks)
      copy_chunk(tile + at, from + turn * 512, valid.has(row));
  }
}

/* Where the rows of K, and of V, of the next step lie. */
template <u32 kRowLanes> RowPlaces key_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.k, loader);
}

template <u32 kRowLanes> RowPlaces value_places(const fi_attention_args &args, const kv_loader &loader) {
  return row_places<kRowLanes>(args.v, loader);
}

/* Starts the warp's copies of a step of the item into a stage. What the loader tells is read before the first copy. */
void copy_step(const kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  const ValidRows valid = valid_rows(loader);
  const RowPlaces keys = key_places<CopyShape<kKeyRowBytes>::kRowLanes>(args, loader);
  const RowPlaces values = value_places<CopyShape<kValueRowBytes>::kRowLanes>(args, loader);
  const u32 tiles = shared_address(stage);
#pragma unroll
  for (u32 first = 0; first < kWarpTokens; first++) {
    copy_pass<kKeyRowBytes, kKeyPitch>(keys, tiles + kKeysAt, first, valid);
    copy_pass<kValueRowBytes, kValuePitch>(values, tiles + kValuesAt, first, valid);
  }
}

/* Starts the copies of the next step into a stage of the team's ring and goes on to the step after it. */
void load_step(kv_loader &loader, const fi_attention_args &args, const u8 *stage) {
  if (loader.token < loader.kv_end) {
    copy_step(loader, args, stage);
    loader.token += kStepTokens;
    settle(loader, args);
  }
  copy_commit();
}

/* The thread's loader, in its registers. */
kv_loader &place_loader(kv_loader &own, u8 *shared) {
  return own;
}

/* The position of a row is its place. */
void note_position(tile_row &to, const fi_attention_args &args) {}

/* A work item in shared memory, with the rows of its tile. */
struct ItemTile {
  fi_item item;
  tile_row rows[kRows];
};

/* The tiles that are in shared memory at a time: with teams, the next one is filled while slow warps read the last. */
constexpr u32 kItemTiles = kTeams > 1 ? 2 : 1;

/*
 * In the plan's rows, the token of row `row` of an item's tile, which is its head row % kGroup. Padding rows repeat the
 * last token.
 */
u32 index_of_row(const fi_item &item, u32 row) {
  return item.row_begin + min(row / kGroup, item.row_count - 1u);
}

const fi_row &row_of(const fi_attention_args &args, const fi_item &item, u32 row) {
  return args.plan.rows[index_of_row(item, row)];
}

/* What is done after an item's rows are published. */
struct ItemEnd {
  int unit;
  int unit_count;
  int next;
  bool is_partial;
  bool may_differ; /* some row may not see a token of the item */
};

ItemEnd item_end(const fi_item &item) {
  return {item.unit, item.unit_count, item.next, item.part >= 0, may_differ(item)};
}

/* Brings an item and its rows into shared memory. */
template <u32 kCount>
void stage_item(Threads<kCount> threads, ItemTile &tile, const fi_attention_args &args, const fi_item &item) {
  const u32 thread = threads.number();
  if (thread < sizeof item / 4)
    ((u32 *)&tile.item)[thread] = ((const u32 *)&item)[thread];
#pragma unroll 2
  for (u32 row = thread; row < kRows; row += kCount) {
    const fi_row &source = row_of(args, item, row);
    tile_row &to = tile.rows[row];
    to.token = source.token;
    to.part = source.part + (int)(row % kGroup);
    to.place = source.position;
    note_position(to, args);
    note_seen(to, args, index_of_row(item, row), item);
  }
}

struct Rotation {};

/* There is no table. */
void ask_for_rope(Cta threads, const fi_rope_args &rope) {}

/* The dims of pair `pair` of a row. */
u32 first_of_pair(u32 pair) {
  return 2 * pair;
}

u32 second_of_pair(u32 pair) {
  return 2 * pair + 1;
}

typedef u16 QueryElement; /* its bits */
typedef uint4 QueryChunk;

const QueryChunk *chunk_of_row(const QueryElement *row, u32 chunk) {
  return (const QueryChunk *)((const u8 *)row + chunk * 16);
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

/* Where chunk `chunk` of row `row` of an item's tile is in Q. */
const QueryChunk *query_chunk(const fi_attention_args &args, const fi_item &item, u32 row, u32 chunk) {
  const u32 head = item.kv_head * kGroup + row % kGroup;
  const long long offset = row_of(args, item, row).token * args.q_token_stride + head * args.q_head_stride;
  return chunk_of_row((const QueryElement *)args.q + offset, chunk);
}

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

/* Who transforms rows of the tile together: those that compute all of them. */
constexpr u32 kSharers = kWorkers;

typedef Threads<kSharers> RowSharers;

/* The tile is what the fragments need. */
void transform_query(RowSharers threads, u8 *query, const fi_attention_args &args, tile_row *rows) {}

constexpr u32 kScorePitch = kKeyPitch;

/* K as it is in its stage. */
const u8 *ready_keys(Team threads, u8 *shared, const u8 *keys, const fi_attention_args &args, const fi_item &item,
                     int token) {
  return keys;
}

/* K is stored as it is scored. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return {};
}

void rotate_stored(float &x, float &y, u32 pair, const Rotation &by) {}

float minus_infinity() {
  return __uint_as_float(0xff800000u);
}

float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/* The scale of K or V of a head. */
float scale_of(const fi_kv_args &kv, int kv_head) {
  return 1;
}

constexpr float kLargest = 0x1.fffffep127f;

/*
 * What a score is multiplied with: of any size, so that masked scores must be infinite, but neither 0 nor infinite,
 * which would make products with those of them, or with 0, undefined: the least and the largest number instead are as
 * good. Negative scales, which only a device array can have, count as 0.
 */
float positive_scale(float scale) {
  return scale <= 0 ? 0x1p-149f : scale > kLargest ? kLargest : scale;
}

/* The item's part of it. */
float score_scale(const fi_attention_args &args, int kv_head) {
  return args.scale_log2 * scale_of(args.k, kv_head);
}

/* What all scores are multiplied with. */
struct ScoreScale {
  float all;

  float of(u32 group) const {
    return all;
  }
};

/* The item's. */
ScoreScale spread_scale(float scale, const tile_row *rows) {
  return {positive_scale(scale)};
}

/* That of one row. */
float row_scale(float scale, const tile_row &row) {
  return positive_scale(scale);
}

/* Logits take no token out of sight. */
bool is_hidden(float logit) {
  return false;
}

/* Scores become logits in the softmax, by a factor. */
void to_logits(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
               int token) {}

float to_logit(float score, const fi_attention_args &args, const ItemTile &tile, u32 row, float scale, int token) {
  return score;
}

typedef ScoreScale LogitScale;

const LogitScale &logit_scale(const ScoreScale &scale) {
  return scale;
}

/* That of a row alone. */
float row_logit_scale(float scale) {
  return scale;
}

/* What differences of maxima are multiplied with where states of a row are joined. */
float joined_scale(const fi_attention_args &args, int kv_head) {
  return positive_scale(score_scale(args, kv_head));
}

/* What states of a row are joined by: its score. */
float joined_score(float score, const tile_row &row) {
  return score;
}

/*
 * The largest logits that are worked out as score * scale - offset, rounded once. The offset is the rounded logit of
 * the maximum; up to here its rounding, at most 2^-12, is nothing beside that of the probabilities. Beyond, scores
 * become differences to the maximum first, as they are where states are joined.
 */
constexpr float kPrecise = 0x1p13f;

bool is_large(float logit) {
  return fabsf(logit) > kPrecise;
}

/* State of a warp's rows, by row group. */
struct RowState {
  float most[kRowGroups]; /* largest score; from close_rows on what states are joined by */
  float sum[kRowGroups];  /* of this lane's columns, until close_rows */
  Output o;
};

/* The maximum of a row that has seen nothing: below all scores, but finite, so that differences to it are defined. */
constexpr float kNothing = -0x1.fffffep127f;

/* The state of rows that have seen nothing yet. */
void open_rows(RowState &state) {
  state = {};
#pragma unroll
  for (float &most : state.most)
    most = kNothing;
}

/* What one more token means for a row alone: a factor of its O so far, and the weight of the token's V. */
struct TokenWeight {
  float shrink;
  float weight;
};

/* O of a row group shrinks by a factor, now. */
void shrink_group(Output &o, u32 group, float factor) {
#pragma unroll
  for (u32 i = 0; i < kShareDims / 4; i++)
    at(o, group, i) *= factor;
}

/* By what O must shrink, by row group, where it is in use. */
struct Shrinks {
  float factors[kRowGroups];
};

void shrink_group(Shrinks &shrinks, u32 group, float factor) {
  shrinks.factors[group] = factor;
}

/* No mask has bits. */
struct LateBits {};

template <typename Bits> LateBits late_bits(const Bits &bits) {
  return {};
}

void hide_late(Scores &scores, const LateBits &bits) {}

/* How far (base-2 logits) a row's scores may exceed its maximum: their probabilities, at most 2^8, fit f16. */
constexpr float kSlack = 8;

/* The maximum of a row, in which the lane's new scores are counted. */
float count_in(float most, const Scores &scores, u32 group) {
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 4; i += 2)
    most = fmaxf(most, fmaxf(at(scores, group, i), at(scores, group, i + 1)));
  return most;
}

/* That of all scores: four lanes share a row. */
float join_lanes(float most) {
  most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
  return fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
}

constexpr bool kMovesAlone = false; /* all rows of a warp move when one does */

/* The largest of a row's scores, or 0: integers have the order of floats from 0 on, and three are compared at once. */
float largest_score(const Scores &scores, u32 group) {
  int most = 0;
#pragma unroll
  for (u32 i = 0; i < kTeamTokens / 4; i += 2)
    most = max(max(most, __float_as_int(at(scores, group, i))), __float_as_int(at(scores, group, i + 1)));
  return __int_as_float(most);
}

/*
 * Whether some row of the warp may have to be lifted: where one is far below 0, in vain. A score that is NaN may hide
 * others.
 */
bool may_rise(const RowState &state, const Scores &scores, const float (&offsets)[kRowGroups],
              const LogitScale &scale) {
  bool may = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    may |= !((largest_score(scores, r) - state.most[r]) * scale.of(r) <= kSlack) || is_large(offsets[r]);
  return __any_sync(kAllLanes, may);
}

/*
 * Lifts the rows' maxima to those of the new scores, and rescales O, or tells by what, and sums by it, if some row of
 * the warp has scores that exceed its maximum by more than the slack, or large logits; returns whether one has. Each
 * lane asks this of the scores that it has, and only then do they join them. The offsets are what is to be taken off
 * logits.
 */
template <typename Shrunk>
bool raise_maxima(RowState &state, Scores &scores, float (&offsets)[kRowGroups], Shrunk &shrunk,
                  const LogitScale &scale, const LateBits &bits) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    offsets[r] = state.most[r] * scale.of(r);
  if (!may_rise(state, scores, offsets, scale))
    return false;
  hide_late(scores, bits);
  float most[kRowGroups];
  bool moved = false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = count_in(state.most[r], scores, r);
    const bool moves = (most[r] - state.most[r]) * scale.of(r) > kSlack || is_large(offsets[r]);
    if constexpr (kMovesAlone)
      most[r] = moves ? most[r] : state.most[r];
    moved |= moves;
  }
  if (!__any_sync(kAllLanes, moved))
    return false;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    most[r] = join_lanes(most[r]);
    const float offset = most[r] * scale.of(r);
    const bool large = is_large(offset);
    const float shrink = exp2_fast(large ? (state.most[r] - most[r]) * scale.of(r) : offsets[r] - offset);
    const float taken = large ? most[r] : 0;
    offsets[r] = large ? 0 : offset;
    state.most[r] = most[r];
    state.sum[r] *= shrink;
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      at(scores, r, i) -= taken;
    shrink_group(shrunk, r, shrink);
  }
  return true;
}

/* Scores become weights, exp2(logit - row maximum), summed into the state. */
void weigh(RowState &state, Scores &scores, const float (&offsets)[kRowGroups], const LogitScale &scale) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = exp2_fast(fmaf(score, scale.of(r), -offsets[r]));
      state.sum[r] += score;
    }
  }
}

/* The online softmax. Whether O shrinks, which is done or told in `shrunk`. */
template <typename Shrunk>
bool softmax(RowState &state, Scores &scores, Shrunk &shrunk, const LogitScale &scale, const LateBits &bits) {
  float offsets[kRowGroups];
  const bool shrinks = raise_maxima(state, scores, offsets, shrunk, scale, bits);
  hide_late(scores, bits);
  weigh(state, scores, offsets, scale);
  return shrinks;
}

/*
 * Closes an item: sums over all columns, maxima that states are joined by, -infinity for rows that saw nothing. Maxima
 * are not logits yet: these may be too large for a float, or for differences of them to mean anything.
 */
void close_rows(RowState &state, const tile_row *rows) {
  const tile_row *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 1); /* all lanes, whichever rows are empty */
    state.sum[r] += __shfl_xor_sync(kAllLanes, state.sum[r], 2);
    state.most[r] = state.sum[r] == 0 ? minus_infinity() : joined_score(state.most[r], first[8 * r]);
  }
}

/* Takes one more score, which `scale` makes a base-2 logit, into the maximum and the sum of a row alone. */
TokenWeight weigh_token(float &most, float &sum, float score, float scale) {
  const float higher = fmaxf(most, score);
  const float shrink = exp2_fast((most - higher) * scale);
  const float weight = exp2_fast((score - higher) * scale);
  most = higher;
  sum = fmaf(sum, shrink, weight);
  return {shrink, weight};
}

/* Whether some row of the warp sees a KV token from `token` on. */
bool some_visible(const tile_row *rows, int token) {
  int most = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    most = max(most, rows[first_row() + 8 * r].visible);
  return __any_sync(kAllLanes, most > token);
}

/* Takes scores of tokens that a row does not see out of the softmax; `token` is the first of the tile. */
void mask_scores(Scores &scores, const tile_row *rows, int token) {
  const u32 lane = fresh_lane();
  const tile_row *first = rows + first_row();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int seen = first[8 * r].visible - token - (int)first_column(lane);
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if ((int)column_step(i) >= seen)
        at(scores, r, i) = minus_infinity();
  }
}

/* There are none: rows see all that they may. */
struct MaskRows {};

struct MaskWords {};

struct MaskBits {};

MaskRows mask_rows(const fi_attention_args &args, const ItemTile &tile) {
  return {};
}

void fetch_words(MaskWords &step, const MaskRows &rows, const ItemTile &tile, int token) {}

MaskBits gather_bits(const MaskWords &step, const tile_row *rows, int token, bool all_visible) {
  return {};
}

bool all_seen(const MaskBits &bits, bool all_visible) {
  return all_visible;
}

void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {
  mask_scores(scores, rows, token);
}

bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return true;
}

/* None are such. */
bool weigh_at_once(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool all_seen) {
  return false;
}

typedef u16 OutputElement;

/* Writes two elements of a row of O that lie next to each other. */
void write_output(OutputElement *to, float low, float high) {
  *(u32 *)to = pack_f16(low, high);
}

/* Writes four. */
void write_output(OutputElement *to, const float4 &values) {
  *(uint2 *)to = {pack_f16(values.x, values.y), pack_f16(values.z, values.w)};
}

/* How a row ends: its maximum (base-2 logit), its sum, and what its O is multiplied with to belong to them. */
struct Ending {
  float most;
  float sum;
  float shrink;
};

/* There are no sinks. */
float sink_of(const fi_attention_args &args, u32 head) {
  return 0;
}

Ending with_sink(float most, float sum, float sink) {
  return {most, sum, 1};
}

constexpr float kLseUnit = 0.6931471805599453f; /* of a base-2 logarithm */

/* Writes the log-sum-exp of a row, whose maximum is a base-2 logit. */
void write_lse(const fi_attention_args &args, int token, u32 head, float most, float sum) {
  float *to = args.lse + (long long)token * args.lse_token_stride + head;
  *to = sum == 0 ? minus_infinity() : (most + log2_fast(sum)) * kLseUnit; /* NaN of a row that saw it */
}

/* A row of a tile or unit that ends. */
struct RowEnd {
  int token;
  int kv_head;
  u32 head;
  float sink; /* base-2 logit */
};

/* What is known of row `row` before its result. */
RowEnd row_end(const fi_attention_args &args, int token, int kv_head, u32 row) {
  const u32 head = query_head(kv_head, row);
  return {token, kv_head, head, sink_of(args, head)};
}

/* Where the columns of a row of O go, and what they are multiplied with. */
struct FinishedRow {
  OutputElement *o;
  float factor;
};

/*
 * Ends a row whose maximum (see joined_score) and sum these are. The factor is what V and O are scaled with over the
 * sum; 0 for a row that saw nothing. One thread of the row, which has its end, writes the log-sum-exp.
 */
FinishedRow finish_row(const fi_attention_args &args, const RowEnd &end, float most, float sum, bool has_end) {
  const Ending ending = with_sink(most * joined_scale(args, end.kv_head), sum, end.sink);
  if (has_end)
    write_lse(args, end.token, end.head, ending.most, ending.sum);
  OutputElement *to = (OutputElement *)args.o + end.token * args.o_token_stride + end.head * args.o_head_stride;
  const float factor = args.o_factor * scale_of(args.v, end.kv_head) * ending.shrink;
  return {to, ending.sum > 0 ? factor * (1 / ending.sum) : 0}; /* a reciprocal: no division */
}

/* Keeps maximum and sum of row `row` of the partial results; returns where its columns go, not normalised. */
float *keep_row(const fi_attention_args &args, long long row, float most, float sum, bool has_end) {
  if (has_end)
    *(float2 *)(args.plan.part_ml + row * 2) = make_float2(most, sum);
  return args.plan.part_o + row * kVDim;
}

/* Whether O is infinite or NaN somewhere: then so is its product with 0. */
bool has_odd_values(const Output &o) {
  float product = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kShareDims / 4; i++)
      product = fmaf(at(o, r, i), 0, product);
  return product != product;
}

/* Pairs of dims of a head that a lane has when a warp shares it. */
template <u32 kDim> constexpr u32 kLanePairs = (kDim / 2 + 31) / 32;

/* A row of Q in its tile. */
struct QueryRow {
  const u8 *query;
  u32 row;
};

QueryRow query_row(const fi_attention_args &args, const ItemTile &tile, const u8 *query, u32 row) {
  return {query, row};
}

float query_element(const QueryRow &row, u32 dim) {
  return unpack_compute(*(const u16 *)(row.query + query_offset(row.row, dim / 8) + dim % 8 * 2)).x;
}

/* A row of K or V in the cache. */
typedef const u8 *StoredRow;

StoredRow stored_key(const fi_attention_args &args, int place, int token, KvHead head) {
  return kv_row(args.k, place, token, head);
}

StoredRow stored_value(const fi_attention_args &args, int place, int token, KvHead head) {
  return kv_row(args.v, place, token, head);
}

/* The lane's part of the score of a row of Q by a stored row of K. */
float score_part(const QueryRow &query, const StoredRow &key, const Rotation &by) {
  float part = 0;
#pragma unroll 1
  for (u32 pair = fresh_lane(); pair < kQkDim / 2; pair += 32) {
    const u32 first = first_of_pair(pair);
    const u32 second = second_of_pair(pair);
    float x = stored_element(key, first);
    float y = stored_element(key, second);
    rotate_stored(x, y, pair, by);
    part = fmaf(query_element(query, first), x, part);
    part = fmaf(query_element(query, second), y, part);
  }
  return part;
}

/* A row's part of an item, worked out by a warp from what is in global memory, token after token. */
void redo_row(const fi_attention_args &args, const ItemTile &tile, const QueryRow &query, u32 row) {
  const fi_item &item = tile.item;
  const tile_row &of = tile.rows[row];
  const u32 lane = fresh_lane();
  const float scale = row_scale(score_scale(args, item.kv_head), of);
  const float unit = row_logit_scale(scale);
  float most = kNothing;
  float sum = 0;
  float2 o[kLanePairs<kVDim>] = {};
#pragma unroll 1
  for (int token = max(item.kv_begin, first_seen(of)); token < of.visible; token++) {
    if (!has_bit(args, tile, row, token))
      continue;
    const int place = kv_place(*args.plan.header, item.kv_base, token);
    const StoredRow key = stored_key(args, place, token, item.kv_head);
    float score = score_part(query, key, key_rotation(args, item, token));
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
      score += __shfl_xor_sync(kAllLanes, score, step);
    score = to_logit(score, args, tile, row, scale, token);
    if (is_hidden(score))
      continue;
    const TokenWeight by = weigh_token(most, sum, score, unit);
    const StoredRow value = stored_value(args, place, token, item.kv_head);
#pragma unroll
    for (u32 i = 0; i < kLanePairs<kVDim>; i++) {
      const u32 dim = min(2 * (lane + 32 * i), kVDim - 2u);
      o[i].x = fmaf(o[i].x, by.shrink, by.weight * stored_element(value, dim));
      o[i].y = fmaf(o[i].y, by.shrink, by.weight * stored_element(value, dim + 1));
    }
  }
  most = sum == 0 ? minus_infinity() : joined_score(most, of);
  const bool whole = item.part < 0;
  FinishedRow finished = {};
  float *kept = nullptr;
  if (whole)
    finished = finish_row(args, row_end(args, of.token, item.kv_head, row), most, sum, lane == 0);
  else
    kept = keep_row(args, item.part + of.part, most, sum, lane == 0);
#pragma unroll
  for (u32 i = 0; i < kLanePairs<kVDim>; i++) {
    const u32 dim = 2 * (lane + 32 * i);
    if (dim < kVDim && whole)
      write_output(finished.o + dim, o[i].x * finished.factor, o[i].y * finished.factor);
    if (dim < kVDim && !whole)
      *(float2 *)(kept + dim) = o[i];
  }
}

/* Whether a row may not see a token of its item. */
bool sees_less(const ItemTile &tile, u32 row) {
  return kHides || tile.rows[row].visible < tile.item.kv_end || first_seen(tile.rows[row]) > tile.item.kv_begin;
}

u32 &odd_values(u8 *shared) {
  return *(u32 *)(shared + kSharedOdd);
}

/* Notes odd values of an item whose rows do not all see the same. */
void note_odd_values(const fi_item &item, const Output &o, u8 *shared) {
  if (may_differ(item) && has_odd_values(o))
    atomicOr(&odd_values(shared), 1);
}

/*
 * Does the rows of an item again that do not see all of its tokens. Not inlined: beside the main loop it would take
 * registers from it.
 */
__noinline__ void redo_rows(const fi_attention_args &args, const ItemTile &tile, const u8 *query) {
  const fi_item &item = tile.item;
#pragma unroll 1
  for (u32 row = fresh_thread() / 32; row < item.row_count * kGroup; row += kWorkers / 32)
    if (sees_less(tile, row))
      redo_row(args, tile, query_row(args, tile, query, row), row);
}

/* The next item begins with a barrier. */
void end_redo(Workers threads) {}

/* After an item is published, and a barrier: does rows again if odd values were noted. */
void redo_odd_rows(Workers threads, const fi_attention_args &args, const ItemTile &tile, const ItemEnd &end,
                   u8 *shared) {
  if (!end.may_differ || odd_values(shared) == 0)
    return;
  threads.sync(); /* what is published of these rows has been written */
  redo_rows(args, tile, query_tile(shared));
  threads.sync();
  if (threads.leads())
    odd_values(shared) = 0;
  end_redo(threads);
}

/* Before the first item. */
void clear_odd_values(Workers threads, u8 *shared) {
  if (threads.leads())
    odd_values(shared) = 0;
}

/* Pair p of row group r of O. */
float2 pair_of(const Output &o, u32 r, u32 p) {
  return make_float2(at(o, r, pair_element(p, 0)), at(o, r, pair_element(p, 1)));
}

/* Writes the item's rows to O, or as a partial. */
void publish(Cta threads, const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *shared,
             u32 free_stage) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 first = first_dim();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    if (row >= item.row_count * kGroup)
      continue;
    const bool has_end = has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, tile.rows[row].token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p++) {
        const float2 pair = pair_of(state.o, r, p);
        write_output(finished.o + first + pair_column(lane, p), pair.x * finished.factor, pair.y * finished.factor);
      }
    } else {
      float *to = keep_row(args, item.part + tile.rows[row].part, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p++)
        *(float2 *)(to + first + pair_column(lane, p)) = pair_of(state.o, r, p);
    }
  }
}

/* Threads that share a row, of which each takes kQuads groups of four columns: thread i has i, i + kRowThreads, ... */
template <u32 kQuads> constexpr u32 kRowThreads = kVDim / 4 / kQuads;

/* A thread's columns of a row: O, not normalised, and the row's maximum (see joined_score) and sum. */
template <u32 kQuads> struct Partial {
  float4 o[kQuads];
  float most;
  float sum;
};

/* to = to_factor * to + factor * from */
void add_scaled(float4 &to, float to_factor, const float4 &from, float factor) {
  to.x = fmaf(to.x, to_factor, from.x * factor);
  to.y = fmaf(to.y, to_factor, from.y * factor);
  to.z = fmaf(to.z, to_factor, from.z * factor);
  to.w = fmaf(to.w, to_factor, from.w * factor);
}

/*
 * Joins `count` partials, kAtOnce at a time. From one to the next it is state_step to its maximum and sum, and
 * value_step to its columns. `scale` makes differences of maxima base-2 logits.
 */
template <int kAtOnce, u32 kQuads>
Partial<kQuads> join(const float2 *states, int state_step, const float *values, int value_step, int count,
                     float scale) {
  Partial<kQuads> joined = {{}, minus_infinity(), 0};
#pragma unroll 1
  for (int first = 0; first < count; first += kAtOnce) {
    float2 state[kAtOnce];
    float4 o[kAtOnce][kQuads];
    float most = joined.most;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const long long part = first + i;
      const bool is_there = part < count; /* what is not counts as one that saw nothing */
      state[i] = is_there ? states[part * state_step] : make_float2(minus_infinity(), 0);
#pragma unroll
      for (u32 q = 0; q < kQuads; q++) {
        const float *from = values + part * value_step + q * (4 * kRowThreads<kQuads>);
        o[i][q] = is_there ? *(const float4 *)from : make_float4(0, 0, 0, 0);
      }
      most = fmaxf(most, state[i].x);
    }
    float shrink = joined.sum > 0 ? exp2_fast((joined.most - most) * scale) : 0;
    joined.most = most;
    joined.sum *= shrink;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const float weight = state[i].y > 0 ? exp2_fast((state[i].x - most) * scale) : 0;
      joined.sum = fmaf(weight, state[i].y, joined.sum);
#pragma unroll
      for (u32 q = 0; q < kQuads; q++)
        add_scaled(joined.o[q], shrink, o[i][q], weight);
      shrink = 1;
    }
  }
  return joined;
}

/* Writes the thread's columns, from `column` on, of a row. */
template <u32 kQuads>
void write_row(const fi_attention_args &args, const RowEnd &end, u32 column, const Partial<kQuads> &part) {
  const FinishedRow finished = finish_row(args, end, part.most, part.sum, column == 0);
#pragma unroll
  for (u32 q = 0; q < kQuads; q++) {
    const float4 o = part.o[q];
    const float factor = finished.factor;
    write_output(finished.o + column + q * (4 * kRowThreads<kQuads>),
                 make_float4(o.x * factor, o.y * factor, o.z * factor, o.w * factor));
  }
}

/* Writes the thread's columns, from `column` on, of a row of a group, `row` of the partial rows. */
template <u32 kQuads>
void keep_group_row(const fi_attention_args &args, long long row, u32 column, const Partial<kQuads> &part) {
  if (column == 0)
    *(float2 *)(args.plan.group_ml + row * 2) = make_float2(part.most, part.sum);
  float *to = args.plan.part_o + row * kVDim + column;
#pragma unroll
  for (u32 q = 0; q < kQuads; q++)
    *(float4 *)(to + q * (4 * kRowThreads<kQuads>)) = part.o[q];
}

constexpr u32 kMergers = 1; /* all threads merge a unit */

typedef Threads<kWorkers / kMergers> Merger;

constexpr int kMergeParts = 2; /* partials whose loads are under way at once */
constexpr u32 kMergeQuads = 4; /* groups of four columns that a thread takes of a row */
constexpr u32 kMergeThreads = kRowThreads<kMergeQuads>; /* of a row */

/* A partial of a unit is there. If it is the last, the unit goes into a list of those to be merged. */
void count_part(const fi_plan_arrays &plan, int unit, int &ready) {
  if (count_down(plan.arrivals + unit) == 1) {
    plan.units[unit].next = ready;
    ready = unit;
  }
}

/* After an item's partial is written: counts it at each of the units that it feeds. `ready` is the list's head. */
void arrive(Workers threads, const fi_plan_arrays &plan, int unit, int unit_count, int &ready) {
  threads.sync();
  if (!threads.leads())
    return;
  for (int u = unit; u < unit + unit_count; u++)
    count_part(plan, u, ready);
}

/* Merges all partials of a unit and writes its rows of O, or, of a group, the partial that stands for all of them. */
void merge_unit(Merger threads, const fi_attention_args &args, const fi_unit &unit) {
  const float scale = joined_scale(args, unit.kv_head);
  /* Below 0 are partials of a tree, the last of which comes first in memory. */
  const float *parts_ml = unit.part_stride > (int)kRows ? args.plan.group_ml : args.plan.part_ml;
#pragma unroll 1
  for (u32 i = threads.number(); i < unit.row_count * kGroup * kMergeThreads; i += kWorkers / kMergers) {
    const u32 row = i / kMergeThreads;
    const u32 column = i % kMergeThreads * 4;
    const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
    const long long first = unit.part_begin + row;
    const float2 *states = (const float2 *)parts_ml + first;
    const float *values = args.plan.part_o + first * kVDim + column;
    const int stride = unit.part_stride;
    const RowEnd end = row_end(args, token, unit.kv_head, row); /* asked for before the join */
    const Partial<kMergeQuads> part =
        join<kMergeParts, kMergeQuads>(states, stride, values, stride * kVDim, unit.part_count, scale);
    if (unit.parent)
      keep_group_row(args, first, column, part);
    else
      write_row(args, end, column, part);
  }
}

/*
 * Merges the units of a list after the CTA's items, when nothing else is in the registers, and makes them ready for the
 * next launch. Most often that is the unit of the last item alone, whose record is fetched while the arrival is under
 * way; -1 where that item is a whole unit.
 */
void merge_list(Merger threads, const fi_attention_args &args, int last_unit, int &ready) {
  int number = last_unit;
  fi_unit unit;
  if (number >= 0)
    unit = args.plan.units[number];
  for (;;) {
    threads.sync();
    if (ready < 0)
      return;
    if (ready != number) {
      number = ready;
      unit = args.plan.units[number];
    }
    const int next = threads.leads() ? args.plan.units[number].next : -1; /* asked for before the merge */
    merge_unit(threads, args, unit);
    threads.sync();
    if (threads.leads()) {
      ready = next;
      args.plan.arrivals[number] = unit.part_count;
      if (unit.parent)
        count_part(args.plan, unit.parent - 1, ready);
    }
  }
}

/* All threads merge the units of the one list. */
void merge_units(Workers threads, const fi_attention_args &args, int last_unit, int &ready) {
  merge_list(threads, args, last_unit, ready);
}

constexpr u32 kFaultPlan = 6;

/* Says in a plan's memory that a launch found another plan there, or none, and what it found. */
void tell_foreign_plan(fi_plan_header &header, u32 found) {
  if (blockIdx.x > 0 || threadIdx.x > 0)
    return;
  header.fault = kFaultPlan;
  header.fault_request = 0;
  header.fault_value = found;
}

/*
 * Whether a CTA whose first item this is has nothing to do, or nothing that it may do: the plan must be the one with
 * this id. Both are asked for at once. Launches of a run that are on the machine together leave it to the first of them
 * to tell.
 */
bool is_idle(const fi_attention_args &args, const fi_item &first) {
  const u32 found = args.plan.header->id;
  if ((found == args.plan_id) & (first.row_count > 0))
    return false;
  if (found != args.plan_id && !(args.order & FI_ORDER_FOLLOWS))
    tell_foreign_plan(*args.plan.header, found);
  return true;
}

/* No unit is to be merged yet. */
void clear_ready(Cta threads, int &ready) {
  if (threads.leads())
    ready = -1;
}

/* Whether the warp has rows of an item: its other rows are as good as any. */
bool has_rows(const fi_item &item) {
  return true;
}

/* Scores of a step become weights, and O takes in their V. */
void add_step(RowState &state, Scores &scores, const fi_attention_args &args, const ItemTile &tile,
              const ScoreScale &scale, int token, bool unmasked, const MaskBits &bits, const u8 *values) {
  if (weigh_at_once(state, scores, scale, args.cap_log2, unmasked))
    return accumulate(state.o, scores, values); /* for itself, beside the exponentials */
  to_logits(scores, args, tile, scale, token);
  if (!unmasked)
    mask_step(scores, tile.rows, token, bits);
  softmax(state, scores, state.o, logit_scale(scale), late_bits(bits));
  accumulate(state.o, scores, values);
}

/* Weights have no factor. */
void close_weights(RowState &state) {}

/*
 * The team's part of an item: step by step its KV is scored, masked, weighted and summed into the state. The stage
 * before that of the step is free, and takes the loads of a later one.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemTile &tile, kv_loader &loader, u8 *shared) {
  const ScoreScale scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
  const int offset = team() * kTeamTokens;
  const int begin = first_of_steps(tile.item.kv_begin) + offset;
  Query query;
  load_query(query, query_tile(shared));
  MaskWords words;
  fetch_words(words, mask_rows(args, tile), tile, begin);
#pragma unroll 1
  for (int token = begin; token - offset < tile.item.kv_end; token += kStepTokens) {
    const MaskRows rows_of_mask = mask_rows(args, tile); /* of the next step; there are no registers to keep it */
    copy_wait<kStages - 2>();
    team_threads().sync();
    load_step(loader, args, stage_of(shared, team(), stage_before(loader.stage)));
    const u8 *stage = stage_of(shared, team(), loader.stage);
    const u8 *keys = ready_keys(team_threads(), shared, keys_of(stage), args, tile.item, token);
    loader.stage = stage_after(loader.stage);
    const bool visible = all_visible(tile.item, token, kTeamTokens);
    const MaskBits bits = gather_bits(words, tile.rows, token, visible);
    const bool unmasked = all_seen(bits, visible);
    fetch_words(words, rows_of_mask, tile, token + kStepTokens);
    if (!has_rows(tile.item) || (!unmasked && !some_visible(tile.rows, token)))
      continue;
    Scores scores = {};
    score<kScorePitch>(scores, query, keys);
    add_step(state, scores, args, tile, scale, token, unmasked, bits, values_of(stage, keys));
  }
  note_odd_values(tile.item, state.o, shared);
  close_weights(state);
  close_rows(state, tile.rows);
}

/*
 * One CTA works through its items of the plan. Each team of warps has its own ring of KV stages, which runs on from
 * one item to the next: while a step is computed, the loads of the steps after it are under way.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_args args) {
  if (begins_to_wait(args.order))
    return;
  extern __shared__ __align__(1024) u8 shared[];
  const Cta cta = {0, 0};
  ItemTile *tiles = (ItemTile *)(shared + kSharedItems);
  int &ready = *(int *)(shared + kSharedReady); /* first of the units that this CTA must merge, list by list */
  const fi_item *first = args.plan.first + blockIdx.x;
  if (is_idle(args, *first))
    return;
  kv_loader own;
  kv_loader &loader = place_loader(own, shared);
  open_loader(loader, args, *first);
  clear_ready(cta, ready);
  clear_odd_values(cta, shared);

  const fi_item *item = first;
  for (u32 number = 0;; number = (number + 1) % kItemTiles) {
    ItemTile &tile = tiles[number];
    QueryFetch fetch;
    begin_fetch(cta, fetch, query_tile(shared), args, *item);
    /* The first Q is asked for before its KV, which keeps the memory busy for a while. */
    for (u32 s = 0; item == first && s < kStages - 1; s++)
      load_step(loader, args, stage_of(shared, team(), s));
    stage_item(cta, tile, args, *item);
    end_fetch(cta, fetch, query_tile(shared));
    cta.sync();
    transform_query(cta, query_tile(shared), args, tile.rows);
    RowState state;
    open_rows(state);
    attend(state, args, tile, loader, shared);
    const ItemEnd end = item_end(tile.item);
    publish(cta, args, tile, state, shared, stage_before(loader.stage));
    /* With two tiles publish has a barrier. From here on the next item may take the place of this one. */
    if constexpr (kItemTiles == 1)
      cta.sync();
    redo_odd_rows(cta, args, tile, end, shared);
    if (end.is_partial)
      arrive(cta, args.plan, end.unit, end.unit_count, ready);
    if (end.next < 0)
      return merge_units(cta, args, end.is_partial ? end.unit : -1, ready);
    item = args.plan.items + end.next;
  }
}
