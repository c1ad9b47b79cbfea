/* flashjit: attention family=wgmma hd=512 group=8 rows=128 page=16 */

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

#define FI_NEXT_CLAIMED -2 /* what it claims from the queue */

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
#define FI_ORDER_LEADS 2

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

/* A tensor map, as the driver encodes it: where boxes of a tensor are in memory. */
struct __attribute__((aligned(64))) fi_tensor_map {
  unsigned long long words[16];
};

/* Of attention by tensor maps: of boxes, of their parts, and of single tokens for ends that are not whole boxes. */
struct fi_attention_maps_args {
  struct fi_attention_args attention;
  struct fi_tensor_map q, q_token;
  struct fi_tensor_map k, k_part, k_token;
  struct fi_tensor_map v, v_part, v_token;
};

constexpr int kVDim = 512;               /* elements of a row of V and O */
constexpr int kGroup = 8;                /* query heads per KV head */
constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */
constexpr int kMaskBits = 0;             /* 1: a packed mask says which of them are seen */
constexpr int kQkDim = 512;              /* elements of a head of Q and K */
constexpr int kKvBits = 16;              /* of a stored element of K or V */
constexpr int kHidesTokens = 0;          /* 1: logits of -infinity are of tokens that are not seen */

constexpr int kThreads = 384;            /* of a CTA */
constexpr int kCtasPerSm = 1;            /* CTAs that share an SM */
constexpr int kRows = 64;                /* of the tile: query tokens x group */
constexpr int kTokens = 8;               /* query tokens of the tile */
constexpr int kTeamTokens = 32;          /* KV tokens of a team in one step */
constexpr int kStages = 2;               /* steps of KV in the ring */
constexpr int kWorkers = 256;            /* threads that compute: the consumers */
constexpr int kRowBlocks = 1;            /* 16-row blocks of a warp */
constexpr int kBoxTokens = 16;           /* KV tokens of a box, which lie in one page */
constexpr int kPartTokens = 8;           /* KV tokens of a part of a box */
constexpr int kProducerRegisters = 40;   /* of a thread of the producer warpgroup */
constexpr int kConsumerRegisters = 232;  /* of a thread of the consumers */
constexpr int kValueWarps = 2;           /* warps with the same rows, which divide the dims of V */
constexpr int kQueryTiles = 1;           /* tiles of Q */
constexpr int kSharedQuery = 0;          /* byte offset in shared memory: the tile of Q */
constexpr int kSharedKeys = 65536;       /* the ring of K */
constexpr int kSharedValues = 131072;    /* the ring of V */
constexpr int kSharedWeights = 196608;   /* weights of steps */
constexpr int kSharedItems = 212992;     /* work items with the rows of their tiles */
constexpr int kSharedMaxima = 216672;    /* maxima of rows after each step of the ring */
constexpr int kSharedSums = 217728;      /* the consumers' sums of rows, of an item and the next */
constexpr int kSharedOdd = 221824;       /* 1: V is infinite or NaN where not all rows see it */
constexpr int kSharedBarriers = 221840;  /* full and empty, of rows, Q and each ring; first of the units to merge */

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

/* A value of which the compiler does not know that it is the same as before, so that it does not keep what follows. */
u32 fresh(u32 value) {
  u32 same;
  asm volatile("mov.u32 %0, %1;" : "=r"(same) : "r"(value));
  return same;
}

u32 fresh_lane() {
  return fresh_thread() % 32;
}

/*
 * Waits for the launch in front of this one and its writes. Unless that lets this one begin earlier, it does when all
 * CTAs of the other have ended: CTAs that came earlier would share the SMs where work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}

/* Lets the launch after this one begin once all CTAs have got here, not at their end. */
void let_next_begin() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

/* What has been written in front of this is read from now on, and no older copy of it. */
void read_anew() {
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
}

/*
 * Begins a launch; whether the CTA has nothing else to do than to wait. The first launch of a run waits for what is in
 * front of all of them. Those after it begin when that is over, and have one CTA more, which waits for the launch in
 * front: so none ends before it.
 */
bool begins_to_wait(u32 order) {
  const bool follows = order & FI_ORDER_FOLLOWS;
  if (follows)
    read_anew();
  else
    wait_for_stream();
  if (order & FI_ORDER_LEADS)
    let_next_begin();
  if (!follows || blockIdx.x + 1 < gridDim.x)
    return false;
  wait_for_stream();
  return true;
}

/* Before products: what its threads wrote to the registers that these read is in them. */
void products_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/* Closes the group of products that were started since the last one. */
void products_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most kPending groups are under way. */
template <int kPending> void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(kPending) : "memory");
}

/* What this thread wrote to shared memory is seen by products and by copies of tensor maps after the next barrier. */
void shared_written() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* Gives registers back, or takes them: each thread of the warpgroup has so many from here on. */
template <u32 kRegisters> void keep_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(kRegisters));
}

template <u32 kRegisters> void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(kRegisters));
}

/*
 * A value that all threads of a warp have, as the compiler knows of what this instruction gives. Where branches are the
 * same for a warp too, descriptions of matrices that are made of it stay in registers of the warp, which products take
 * them from. Else every product is held up by four moves to these.
 */
u32 uniform(u32 value) {
  u32 same;
  asm volatile("redux.sync.or.b32 %0, %1, %2;" : "=r"(same) : "r"(value), "n"(kAllLanes));
  return same;
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

/* Those that compute. */
typedef Threads<kWorkers> Workers;

constexpr u32 kConsumers = kWorkers / 128;
constexpr u32 kConsumerWarps = kWorkers / 32;

/* Warps of the producer: one brings items with their rows .. */
constexpr u32 kItemsWarp = kConsumerWarps;
/* .. and those that follow it bring Q and KV. */
constexpr u32 kQueryWarp = kItemsWarp + 1;
constexpr u32 kLoaderWarp = kQueryWarp + 1;
constexpr u32 kFollowers = 3;

/* Numbers of barriers: 0 is that of the CTA. */
constexpr u32 kTurnBarrier = 1;
constexpr u32 kConsumerBarrier = kTurnBarrier + kConsumers;
constexpr u32 kWorkersBarrier = kConsumerBarrier + kConsumers;

/* Which consumer a thread belongs to, of which the compiler knows that it is the same for a warp. */
u32 consumer() {
  return __shfl_sync(kAllLanes, threadIdx.x / 128, 0);
}

u32 pack_bf16(float low, float high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

float2 unpack_bf16(u32 word) {
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}

/* Two values as a pair of the type that the matrix instructions take, and back. */
u32 pack_compute(float low, float high) {
  return pack_bf16(low, high);
}

float2 unpack_compute(u32 word) {
  return unpack_bf16(word);
}

/* Element `dim` of a stored row. */
float stored_element(const u8 *row, u32 dim) {
  return unpack_compute(((const u16 *)row)[dim]).x;
}

/* Pair p of a lane's values of a row, two that lie next to each other: its elements of the accumulator, its column. */
constexpr u32 pair_element(u32 p, u32 half) {
  return 2 * p + half;
}

u32 pair_column(u32 lane, u32 p) {
  return 8 * p + 2 * (lane % 4);
}

/*
 * Four 8 x 8 matrices of 16-bit elements to shared memory. Lane l gives the address of row l % 8 of matrix l / 8, and
 * in word m elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m.
 */
void store_matrices(u32 address, const u32 (&words)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               : : "r"(address), "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3]) : "memory");
}

/* The 32-bit address of a pointer into shared memory, as the instructions below take it. */
u32 shared_address(const void *pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
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

/* Writes a word. Whoever sees it by load_acquired sees what this thread has written or seen before. */
void store_released(u32 *to, u32 word) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" : : "l"(to), "r"(word) : "memory");
}

u32 load_acquired(const u32 *from) {
  u32 word;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(word) : "l"(from) : "memory");
  return word;
}

/* Lets others go on before a word is looked at again. */
void pause() {
  asm volatile("nanosleep.u32 64;");
}

constexpr u32 kPanelRow = 128;  /* bytes */
constexpr u32 kPanelUnits = 64; /* in which tensor maps count: an element of 16 bits, or two of 8 */
constexpr u32 kPanelDims = 64;

template <u32 kDim> constexpr u32 kPanels = (kDim + kPanelDims - 1) / kPanelDims;

/* Bytes of a tile. Dims that its last panel has beyond kDim are 0. */
template <u32 kDim, u32 kTileRows> constexpr u32 kTileBytes = kPanels<kDim> * kTileRows * kPanelRow;

/* The same of K and V as they are stored. */
template <u32 kDim> constexpr u32 kStoredPanels = (kDim * kKvBits / 8 + kPanelRow - 1) / kPanelRow;
template <u32 kDim> constexpr u32 kStoredBytes = kStoredPanels<kDim> * kTeamTokens * kPanelRow;

/* Where 16-byte chunk `chunk` of row `row` is in a tile of kTileRows. */
template <u32 kTileRows> u32 panel_chunk(u32 row, u32 chunk) {
  return chunk / 8 * (kTileRows * kPanelRow) + row * kPanelRow + (chunk % 8 ^ row % 8) * 16;
}

/* The tiles of Q, and the stages of K and V. */
u8 *query_tile_of(u8 *shared, u32 number) {
  return shared + kSharedQuery + number * kTileBytes<kQkDim, kRows>;
}

u8 *keys_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedKeys + stage * kTileBytes<kQkDim, kTeamTokens>;
}

u8 *values_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedValues + stage * kTileBytes<kVDim, kTeamTokens>;
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

/* The maxima of a tile's rows after a step, where warps share the rows but not the steps. */
struct step_maxima {
  float most[64];    /* largest score */
  float shrinks[64]; /* by what O and sums shrink, of warps whose maxima have moved */
  int moved[4];      /* by warp of the rows */
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

/* The tile's row of group 0 of this lane: every warpgroup has all rows. */
u32 first_row() {
  return fresh_thread() % 128 / 32 * 16 + fresh_thread() % 32 / 4;
}

/* The first dim of the share of O that the warp's warpgroup has. */
u32 first_dim() {
  return fresh_thread() / 128 * kShareDims;
}

/* Whether the lane writes what is once a row: it has the first of its columns. */
bool has_row_end(u32 lane) {
  return lane % 4 == 0 && first_dim() == 0;
}

/* c = a b, or c += a b: 64 x 16 by 16 x 32 elements of bf16 that matrix descriptors tell of. */
void multiply_keys(float (&c)[4][4], u64 a, u64 b, bool add) {
  asm volatile("{.reg .pred add; setp.ne.b32 add, %18, 0;"
               "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15"
               "}, %16, %17, add, 1, 1, 0, 0;}"
               : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]),
                 "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]),
                 "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]),
                 "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3])
               : "l"(a), "l"(b), "r"((u32)add));
}

/* c += a b: 64 x 16 elements of bf16 in registers by 16 x 256 that a matrix descriptor tells of. */
void multiply_values(float (&c)[32][4], const u32 (&a)[4], u64 b) {
  asm volatile("{.reg .pred add; setp.ne.b32 add, 1, 0;"
               "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, "
               "%40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, "
               "%56, %57, %58, %59, %60, %61, %62, %63, "
               "%64, %65, %66, %67, %68, %69, %70, %71, "
               "%72, %73, %74, %75, %76, %77, %78, %79, "
               "%80, %81, %82, %83, %84, %85, %86, %87, "
               "%88, %89, %90, %91, %92, %93, %94, %95, "
               "%96, %97, %98, %99, %100, %101, %102, %103, "
               "%104, %105, %106, %107, %108, %109, %110, %111, "
               "%112, %113, %114, %115, %116, %117, %118, %119, "
               "%120, %121, %122, %123, %124, %125, %126, %127"
               "}, {%128, %129, %130, %131}, %132, add, 1, 1, 1;}"
               : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]),
                 "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]),
                 "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]),
                 "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3]),
                 "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]),
                 "+f"(c[5][0]), "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]),
                 "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]),
                 "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3]),
                 "+f"(c[8][0]), "+f"(c[8][1]), "+f"(c[8][2]), "+f"(c[8][3]),
                 "+f"(c[9][0]), "+f"(c[9][1]), "+f"(c[9][2]), "+f"(c[9][3]),
                 "+f"(c[10][0]), "+f"(c[10][1]), "+f"(c[10][2]), "+f"(c[10][3]),
                 "+f"(c[11][0]), "+f"(c[11][1]), "+f"(c[11][2]), "+f"(c[11][3]),
                 "+f"(c[12][0]), "+f"(c[12][1]), "+f"(c[12][2]), "+f"(c[12][3]),
                 "+f"(c[13][0]), "+f"(c[13][1]), "+f"(c[13][2]), "+f"(c[13][3]),
                 "+f"(c[14][0]), "+f"(c[14][1]), "+f"(c[14][2]), "+f"(c[14][3]),
                 "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3]),
                 "+f"(c[16][0]), "+f"(c[16][1]), "+f"(c[16][2]), "+f"(c[16][3]),
                 "+f"(c[17][0]), "+f"(c[17][1]), "+f"(c[17][2]), "+f"(c[17][3]),
                 "+f"(c[18][0]), "+f"(c[18][1]), "+f"(c[18][2]), "+f"(c[18][3]),
                 "+f"(c[19][0]), "+f"(c[19][1]), "+f"(c[19][2]), "+f"(c[19][3]),
                 "+f"(c[20][0]), "+f"(c[20][1]), "+f"(c[20][2]), "+f"(c[20][3]),
                 "+f"(c[21][0]), "+f"(c[21][1]), "+f"(c[21][2]), "+f"(c[21][3]),
                 "+f"(c[22][0]), "+f"(c[22][1]), "+f"(c[22][2]), "+f"(c[22][3]),
                 "+f"(c[23][0]), "+f"(c[23][1]), "+f"(c[23][2]), "+f"(c[23][3]),
                 "+f"(c[24][0]), "+f"(c[24][1]), "+f"(c[24][2]), "+f"(c[24][3]),
                 "+f"(c[25][0]), "+f"(c[25][1]), "+f"(c[25][2]), "+f"(c[25][3]),
                 "+f"(c[26][0]), "+f"(c[26][1]), "+f"(c[26][2]), "+f"(c[26][3]),
                 "+f"(c[27][0]), "+f"(c[27][1]), "+f"(c[27][2]), "+f"(c[27][3]),
                 "+f"(c[28][0]), "+f"(c[28][1]), "+f"(c[28][2]), "+f"(c[28][3]),
                 "+f"(c[29][0]), "+f"(c[29][1]), "+f"(c[29][2]), "+f"(c[29][3]),
                 "+f"(c[30][0]), "+f"(c[30][1]), "+f"(c[30][2]), "+f"(c[30][3]),
                 "+f"(c[31][0]), "+f"(c[31][1]), "+f"(c[31][2]), "+f"(c[31][3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

/* c += a b: 64 x 16 by 16 x 256 elements of bf16 that matrix descriptors tell of. */
void multiply_values(float (&c)[32][4], u64 a, u64 b) {
  asm volatile("{.reg .pred add; setp.ne.b32 add, 1, 0;"
               "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, "
               "%40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, "
               "%56, %57, %58, %59, %60, %61, %62, %63, "
               "%64, %65, %66, %67, %68, %69, %70, %71, "
               "%72, %73, %74, %75, %76, %77, %78, %79, "
               "%80, %81, %82, %83, %84, %85, %86, %87, "
               "%88, %89, %90, %91, %92, %93, %94, %95, "
               "%96, %97, %98, %99, %100, %101, %102, %103, "
               "%104, %105, %106, %107, %108, %109, %110, %111, "
               "%112, %113, %114, %115, %116, %117, %118, %119, "
               "%120, %121, %122, %123, %124, %125, %126, %127"
               "}, %128, %129, add, 1, 1, 0, 1;}"
               : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]),
                 "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]),
                 "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]),
                 "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3]),
                 "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]),
                 "+f"(c[5][0]), "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]),
                 "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]),
                 "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3]),
                 "+f"(c[8][0]), "+f"(c[8][1]), "+f"(c[8][2]), "+f"(c[8][3]),
                 "+f"(c[9][0]), "+f"(c[9][1]), "+f"(c[9][2]), "+f"(c[9][3]),
                 "+f"(c[10][0]), "+f"(c[10][1]), "+f"(c[10][2]), "+f"(c[10][3]),
                 "+f"(c[11][0]), "+f"(c[11][1]), "+f"(c[11][2]), "+f"(c[11][3]),
                 "+f"(c[12][0]), "+f"(c[12][1]), "+f"(c[12][2]), "+f"(c[12][3]),
                 "+f"(c[13][0]), "+f"(c[13][1]), "+f"(c[13][2]), "+f"(c[13][3]),
                 "+f"(c[14][0]), "+f"(c[14][1]), "+f"(c[14][2]), "+f"(c[14][3]),
                 "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3]),
                 "+f"(c[16][0]), "+f"(c[16][1]), "+f"(c[16][2]), "+f"(c[16][3]),
                 "+f"(c[17][0]), "+f"(c[17][1]), "+f"(c[17][2]), "+f"(c[17][3]),
                 "+f"(c[18][0]), "+f"(c[18][1]), "+f"(c[18][2]), "+f"(c[18][3]),
                 "+f"(c[19][0]), "+f"(c[19][1]), "+f"(c[19][2]), "+f"(c[19][3]),
                 "+f"(c[20][0]), "+f"(c[20][1]), "+f"(c[20][2]), "+f"(c[20][3]),
                 "+f"(c[21][0]), "+f"(c[21][1]), "+f"(c[21][2]), "+f"(c[21][3]),
                 "+f"(c[22][0]), "+f"(c[22][1]), "+f"(c[22][2]), "+f"(c[22][3]),
                 "+f"(c[23][0]), "+f"(c[23][1]), "+f"(c[23][2]), "+f"(c[23][3]),
                 "+f"(c[24][0]), "+f"(c[24][1]), "+f"(c[24][2]), "+f"(c[24][3]),
                 "+f"(c[25][0]), "+f"(c[25][1]), "+f"(c[25][2]), "+f"(c[25][3]),
                 "+f"(c[26][0]), "+f"(c[26][1]), "+f"(c[26][2]), "+f"(c[26][3]),
                 "+f"(c[27][0]), "+f"(c[27][1]), "+f"(c[27][2]), "+f"(c[27][3]),
                 "+f"(c[28][0]), "+f"(c[28][1]), "+f"(c[28][2]), "+f"(c[28][3]),
                 "+f"(c[29][0]), "+f"(c[29][1]), "+f"(c[29][2]), "+f"(c[29][3]),
                 "+f"(c[30][0]), "+f"(c[30][1]), "+f"(c[30][2]), "+f"(c[30][3]),
                 "+f"(c[31][0]), "+f"(c[31][1]), "+f"(c[31][2]), "+f"(c[31][3])
               : "l"(a), "l"(b));
}

constexpr u32 kBlock = kPanelDims / 4; /* elements of a row that one product takes: 32 bytes */

/*
 * What tells the instruction of a matrix in panels, in units of 16 bytes. A word has its address, and the bytes from
 * panel to panel where a product spans several. What all matrices have is the other: 8 rows from here are so far, and 1
 * is the pattern of 128 bytes. Products read both from registers of the warp, not of its lanes: the word is the same in
 * all lanes, and is left in one of the warp.
 */
u32 matrix_at(const u8 *tile, u32 panel_step) {
  return uniform((shared_address(tile) & 0x3ffff) / 16 | panel_step / 16 << 16);
}

u64 describe(u32 matrix) {
  return (u64)(8 * kPanelRow / 16 | 1 << 30) << 32 | matrix;
}

/* From the matrix of the first block of its rows to that of block `block`, in a tile of kTileRows. */
template <u32 kTileRows> constexpr u32 blocks_along(u32 block) {
  return (block / 4 * (kTileRows * kPanelRow) + block % 4 * 32) / 16;
}

/*
 * What the compiler must not move over the products that write or read it: it knows no order between these and
 * arithmetic on the same registers.
 */
template <u32 kOctets> void pin(float (&tile)[1][kOctets][4]) {
#pragma unroll
  for (u32 i = 0; i < kOctets; i++)
    asm volatile(""
                 : "+f"(tile[0][i][0]), "+f"(tile[0][i][1]), "+f"(tile[0][i][2]), "+f"(tile[0][i][3]) : : "memory");
}

/* Starts scores = Q K^T. Dims that the last block has beyond the head's are 0. */
void score(Scores &scores, u32 query, u32 keys) {
#pragma unroll
  for (u32 i = 0; i < (kQkDim + kBlock - 1) / kBlock; i++)
    multiply_keys(scores[0], describe(query + blocks_along<kRows>(i)), describe(keys + blocks_along<kTeamTokens>(i)),
                  i > 0);
  products_commit();
}

/* Weights of a warp's rows, as the operand of the product with V. */
typedef u32 Weights[kTeamTokens / 16][4];

/* Starts O += P V. */
void accumulate(Output &o, const Weights &weights, u32 values) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    multiply_values(o[0], weights[t], describe(values + t * (16 * kPanelRow / 16)));
  products_commit();
}

void pack_weights(Weights &weights, const Scores &scores) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    pack_operand(weights[t], scores, 0, t);
}

/* Starts the part of scores = Q K^T of some dims, whose first block of 16 is kFirst. */
template <u32 kFirst, u32 kBlocks> void score_part(Scores &scores, u32 query, u32 keys) {
  products_begin();
#pragma unroll
  for (u32 i = kFirst; i < kFirst + kBlocks; i++)
    multiply_keys(scores[0], describe(query + blocks_along<kRows>(i)), describe(keys + blocks_along<kTeamTokens>(i)),
                  i > 0);
}

/* Starts O += P V, P in shared memory. */
void accumulate(Output &o, u32 weights, u32 values) {
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    multiply_values(o[0], describe(weights + blocks_along<kRows>(t)), describe(values + t * (16 * kPanelRow / 16)));
  products_commit();
}

/* Writes the weights of a warp's rows to where products read them. */
void store_weights(u8 *to, const Weights &weights) {
  const u32 lane = fresh_lane();
  const u32 row = fresh_thread() % 128 / 32 * 16 + lane % 16;
#pragma unroll
  for (u32 t = 0; t < kTeamTokens / 16; t++)
    store_matrices(shared_address(to) + panel_chunk<kRows>(row, 2 * t + lane / 16), weights[t]);
}

/* Makes a barrier of so many arrivals. */
void barrier_open(u64 *barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

/* After the barriers are made: they are seen by copies of tensor maps too. */
void barriers_opened() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

void barrier_arrive(u64 *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(shared_address(barrier)) : "memory");
}

/* Arrives for copies of so many bytes, whose arrival ends the phase. */
void barrier_expect(u64 *barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               : : "r"(shared_address(barrier)), "r"(bytes) : "memory");
}

/* Waits until the phase of a parity has ended; the phase before the first one counts as ended, and has parity 1. */
void barrier_wait(u64 *barrier, u32 parity) {
  u32 ended;
  do
    asm volatile("{.reg .pred ended; mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;"
                 "selp.u32 %0, 1, 0, ended;}"
                 : "=r"(ended) : "r"(shared_address(barrier)), "r"(parity) : "memory");
  while (!ended);
}

constexpr u32 kItemsAhead = 2; /* in shared memory: one in use, and the next */

/* Of the rows of items, and of tiles of Q. */
struct ItemBarriers {
  u64 rows_full[kItemsAhead];
  u64 rows_empty[kItemsAhead];
  u64 query_full[kQueryTiles];
  u64 query_empty[kQueryTiles];
};

/* Of K and V in their rings. */
struct StageBarriers {
  u64 keys_full[kStages];
  u64 keys_empty[kStages];
  u64 values_full[kStages];
  u64 values_empty[kStages];
};

/* What a CTA that merges with others knows. */
struct Merges {
  int ready; /* first of the units that this CTA must merge */
  int unit;  /* with whose merge it helps; -1: none */
  u32 open;  /* what that unit's count of slices begins with in this launch */
  u32 slice; /* that is merged next */
};

void open_merges(Merges &merges) {
  merges.ready = -1;
  merges.unit = -1;
}

/* Opens the barriers of a place, which is full after so many arrivals, and empty after so many. */
void open_place(u64 *full, u32 fills, u64 *empty, u32 releases) {
  barrier_open(full, fills);
  barrier_open(empty, releases);
}

struct RingBarriers : StageBarriers {
  u64 weights_full[kStages];
  u64 weights_empty[kStages];
};

/* One consumer needs K of a step and fills its weights, both need V, and the other one empties the weights. */
void open_ring(RingBarriers &barriers) {
  constexpr u32 kWarps = kConsumerWarps / kConsumers;
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], 1, &barriers.keys_empty[i], kWarps);
    open_place(&barriers.values_full[i], 1, &barriers.values_empty[i], kConsumerWarps);
    open_place(&barriers.weights_full[i], kWarps, &barriers.weights_empty[i], kWarps);
  }
}

struct Barriers : ItemBarriers, RingBarriers, Merges {};

Barriers &barriers_of(u8 *shared) {
  return *(Barriers *)(shared + kSharedBarriers);
}

/* A place in a ring of kCount, a power of two, by how often one went on in it. */
template <u32 kCount> struct Place {
  u32 count;

  u32 number() const {
    return count % kCount;
  }

  /* The parity of the phase in which it is filled. Before that it is emptied in one of the other parity, as is every
     place at first. */
  u32 parity() const {
    return count / kCount % 2;
  }

  u32 parity_before() const {
    return parity() ^ 1;
  }

  Place next() const {
    return {count + 1};
  }
};

void open_barriers(Barriers &barriers) {
  for (u32 i = 0; i < kItemsAhead; i++)
    open_place(&barriers.rows_full[i], 1, &barriers.rows_empty[i], kConsumerWarps + kFollowers);
  for (u32 i = 0; i < kQueryTiles; i++)
    open_place(&barriers.query_full[i], 1, &barriers.query_empty[i], kConsumerWarps);
  open_ring(barriers);
  open_merges(barriers);
  barriers_opened();
}

/* A warp of a consumer is done with what a barrier is about. */
void release(u64 *empty) {
  __syncwarp();
  if (lane() == 0)
    barrier_arrive(empty);
}

/*
 * Starts the copy of a box of a tensor of rank 4 to shared memory, from the element at these coordinates on. What lies
 * outside of the tensor becomes 0. All bytes of the box arrive on the barrier.
 */
void copy_box(u32 to, const fi_tensor_map &map, u64 *barrier, int x0, int x1, int x2, int x3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3, %4, %5}], [%6];"
               : : "r"(to), "l"(&map), "r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(shared_address(barrier)) : "memory");
}

/* The same of a tensor of rank 5. */
void copy_box(u32 to, const fi_tensor_map &map, u64 *barrier, int x0, int x1, int x2, int x3, int x4) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3, %4, %5, %6}], [%7];"
               : : "r"(to), "l"(&map), "r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(shared_address(barrier))
               : "memory");
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

/* The position of a row is its place. */
void note_position(tile_row &to, const fi_attention_args &args) {}

/* A work item in shared memory, with the rows of its tile. */
struct ItemTile {
  fi_item item;
  tile_row rows[kRows];
};

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

ItemTile *item_tiles(u8 *shared) {
  return (ItemTile *)(shared + kSharedItems);
}

/*
 * Claims the next item of the queue for the CTA; -1 when there is none. Every CTA claims until it gets none, so the
 * last claim of a launch is known, and makes the queue ready for the next.
 */
int claim(Threads<32> threads, fi_queue &queue) {
  int number = 0;
  if (threads.leads()) {
    number = atomicAdd(&queue.next, 1);
    if (number == queue.first + queue.count - 1)
      atomicExch(&queue.next, queue.first);
  }
  number = __shfl_sync(kAllLanes, number, 0);
  return number < queue.count ? number : -1;
}

/* The item that `next` of the one before it says; null after the last. */
const fi_item *item_after(Threads<32> threads, const fi_plan_arrays &plan, int next) {
  const int number = next == FI_NEXT_CLAIMED ? claim(threads, *plan.queue) : next;
  return number < 0 ? nullptr : plan.items + number;
}

/* Brings the item after that whose `next` is given, or the first, to its place; after the last one of no rows. */
const fi_item *bring_item(Threads<32> threads, const fi_attention_args &args, const fi_item *first, int &next,
                          const Place<kItemsAhead> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  ItemTile &tile = item_tiles(shared)[place.number()];
  barrier_wait(&barriers.rows_empty[place.number()], place.parity_before());
  const fi_item *item = place.count > 0 ? item_after(threads, args.plan, next) : first;
  if (item) {
    stage_item(threads, tile, args, *item);
    next = item->next;
  } else if (threads.leads()) {
    tile.item.row_count = 0;
  }
  threads.sync();
  if (threads.leads())
    barrier_arrive(&barriers.rows_full[place.number()]);
  return item;
}

/* Brings the items of the CTA, from `item` on. */
void bring_items(Threads<32> threads, const fi_attention_args &args, const fi_item *item, u8 *shared) {
  int next = 0;
  for (Place<kItemsAhead> place = {0}; item; place = place.next())
    item = bring_item(threads, args, item, next, place, shared);
}

/* An item that a warp of the producer is at: the first is known before it is in shared memory. */
struct Follower {
  Place<kItemsAhead> place;
  const fi_item *item;
};

/* Leaves an item for the next, if there is one. */
bool goes_on(Follower &follower, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  release(&barriers.rows_empty[follower.place.number()]);
  follower.place = follower.place.next();
  barrier_wait(&barriers.rows_full[follower.place.number()], follower.place.parity());
  follower.item = &item_tiles(shared)[follower.place.number()].item;
  return follower.item->row_count > 0;
}

/* The number of a KV head. */
typedef int KvHead;

typedef int PageId;

/* The page ids of a request, first token's first. */
const PageId *pages_of(const fi_plan_header &header, int kv_base) {
  return (const PageId *)header.page_table + kv_base * header.page_table_stride;
}

/* What kv_row finds a token of a request by: its page. */
int kv_place(const fi_plan_header &header, int kv_base, int token) {
  return (int)pages_of(header, kv_base)[(u32)token / kPageSize];
}

/* The row of a token and head; `page` is that of the token. */
u8 *kv_row(const fi_kv_args &kv, int page, int token, KvHead head) {
  const long long row = page * kv.page_stride + (u32)token % kPageSize * kv.token_stride;
  return (u8 *)kv.data + (row + head * kv.head_stride) * kKvBits / 8;
}

constexpr u32 kBoxes = kTeamTokens / kBoxTokens; /* of a stage: a lane has one */

/*
 * Where a box is, or a part of one, in the coordinates of the tensor maps. A map shows as many tokens at a time as its
 * boxes have: a window. What a box has outside of it is 0. So a box in which the item begins has a window that begins
 * there, and one in which it ends has one that ends there.
 */
struct Box {
  int at;     /* its first token in the window */
  int window; /* where that begins, in the page or the request, or among all tokens */
  int place;  /* page or request */
  bool split; /* no window does: it is copied in smaller boxes */
};

/* The page of a token. */
int place_of(const fi_plan_header &header, const fi_item &item, int token) {
  return kv_place(header, item.kv_base, token);
}

/* The box that begins at a token: in its page. */
Box box_at(const fi_item &item, int token, int place) {
  return {0, (int)((u32)token % kPageSize), place, false};
}

template <u32 kSize> bool is_outside(const fi_item &item, int token) {
  return token >= item.kv_end || token + (int)kSize <= item.kv_begin;
}

/* Of a box whose first token is `token` what belongs to the item. No window begins before a page or a request does. */
template <u32 kSize> Box crop(const Box &box, const fi_item &item, int token) {
  if (is_outside<kSize>(item, token))
    return {(int)kSize, 0, 0, false};
  const int before = max(0, item.kv_begin - token);
  const int after = max(0, token + (int)kSize - item.kv_end);
  if (after > 0 && (before > 0 || box.window < after))
    return {0, box.window, box.place, true};
  return {after - before, box.window + before - after, box.place, false};
}

/* What copies to a tile of K or V go by: maps of boxes, of their parts, and of single tokens. */
struct TileCopy {
  const fi_tensor_map &boxes;
  const fi_tensor_map &parts;
  const fi_tensor_map &tokens;
  u32 to;
  u64 *full;
  int head;
  int first_dim = 0; /* of the tile, in the tensor */
};

/* Copies panel `panel` of a box that begins in row `row` of the tile. */
void copy_panel(const TileCopy &copy, const fi_tensor_map &map, u32 row, u32 panel, const Box &box) {
  copy_box(copy.to + panel * (kTeamTokens * kPanelRow) + row * kPanelRow, map, copy.full,
           copy.first_dim + (int)(panel * kPanelUnits), box.at, copy.head, box.window, box.place);
}

/*
 * Copies a box, which begins at `token` and in row `row`, in parts, and the part that the item ends in by tokens where
 * it must.
 */
template <u32 kDim>
void copy_parts(const TileCopy &copy, const fi_item &item, const Box &box, u32 row, int token) {
#pragma unroll 1
  for (u32 i = lane(); i < kBoxTokens / kPartTokens * kStoredPanels<kDim>; i += 32) {
    const int first = (int)(i / kStoredPanels<kDim> * kPartTokens);
    const Box part = crop<kPartTokens>({0, box.window + first, box.place, false}, item, token + first);
    if (!part.split)
      copy_panel(copy, copy.parts, row + first, i % kStoredPanels<kDim>, part);
  }
  const int last = (item.kv_end - 1 - token) / (int)kPartTokens * (int)kPartTokens;
  if (!crop<kPartTokens>({0, box.window + last, box.place, false}, item, token + last).split)
    return;
#pragma unroll 1
  for (u32 i = lane(); i < kPartTokens * kStoredPanels<kDim>; i += 32) {
    const int at = last + (int)(i / kStoredPanels<kDim>);
    const Box one = crop<1>({0, box.window + at, box.place, false}, item, token + at);
    copy_panel(copy, copy.tokens, row + at, i % kStoredPanels<kDim>, one);
  }
}

/* Copies the tile of a step, whose first token is `token`; each lane has one box. */
template <u32 kDim> void copy_tile(const TileCopy &copy, const fi_item &item, const Box &box, int token) {
  if (lane() == 0)
    barrier_expect(copy.full, kStoredBytes<kDim>);
  __syncwarp();
  if (lane() < kBoxes && !box.split) {
#pragma unroll
    for (u32 panel = 0; panel < kStoredPanels<kDim>; panel++)
      copy_panel(copy, copy.boxes, lane() * kBoxTokens, panel, box);
  }
#pragma unroll 1
  for (u32 left = __ballot_sync(kAllLanes, lane() < kBoxes && box.split); left != 0; left &= left - 1) {
    const u32 number = __ffs(left) - 1;
    const Box one = {0, __shfl_sync(kAllLanes, box.window, number), __shfl_sync(kAllLanes, box.place, number), true};
    copy_parts<kDim>(copy, item, one, number * kBoxTokens, token + (int)(number * kBoxTokens));
  }
}

/* First token of the lane's box of the step whose first token is `token`. */
int token_of_box(int token) {
  return token + (int)(lane() % kBoxes * kBoxTokens);
}

/* Where the lane's box of a step is: what must be looked up for it. */
int place_of_box(const fi_attention_args &args, const fi_item &item, int token) {
  const int first = token_of_box(token);
  return is_outside<kBoxTokens>(item, first) ? 0 : place_of(*args.plan.header, item, first);
}

/* The lane's box of the step whose first token is `token`. */
Box box_of_step(const fi_item &item, int token, int place) {
  const int first = token_of_box(token);
  return crop<kBoxTokens>(box_at(item, first, place), item, first);
}

/* What brings the tiles of K, or of V: a warp. */
struct Loader {
  TileCopy copy; /* to the first stage */
  u64 *empty;
};

/* Brings K or V of all items of the CTA, from `first` on. Where the boxes of a step are is looked up a step ahead. */
template <u32 kDim>
void bring_tiles(const Loader &loader, const fi_attention_args &args, const fi_item *first, u8 *shared) {
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    int box_place = place_of_box(args, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const int following = place_of_box(args, item, token + (int)kTeamTokens);
      TileCopy copy = loader.copy;
      copy.to += place.number() * kStoredBytes<kDim>;
      copy.full += place.number();
      copy.head = KvHead(item.kv_head);
      barrier_wait(&loader.empty[place.number()], place.parity_before());
      copy_tile<kDim>(copy, item, box_of_step(item, token, box_place), token);
      place = place.next();
      box_place = following;
    }
  } while (goes_on(at, shared));
}

/* Brings K and V of all items of the CTA, from `first` on: one warp has K, one V. */
void bring_kv(const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 keys = shared_address(keys_of_stage(shared, 0));
  const u32 values = shared_address(values_of_stage(shared, 0));
  if (warp() == kLoaderWarp)
    bring_tiles<kQkDim>({{args.k, args.k_part, args.k_token, keys, barriers.keys_full, 0}, barriers.keys_empty},
                        args.attention, first, shared);
  else
    bring_tiles<kVDim>({{args.v, args.v_part, args.v_token, values, barriers.values_full, 0}, barriers.values_empty},
                       args.attention, first, shared);
}

constexpr u32 kQueryTokenBytes = kGroup * kPanelRow; /* of a panel */

/* The heads of a query token follow each other, and so do the tokens of a tile: Q is a box, if the item has all. */
bool is_box(const fi_item &item) {
  return item.row_count == kTokens;
}

/* Tokens of which consumers read Q: of the whole tile. */
u32 tokens_read(const fi_item &item) {
  return kTokens;
}

/* Brings Q of an item to its tile; the last token is repeated in rows of which it has none. */
void bring_query(Threads<32> threads, const fi_attention_maps_args &args, const fi_item &item, const u8 *tile,
                 u64 *full) {
  const u32 to = shared_address(tile);
  const int head = item.kv_head * kGroup;
  const fi_row *rows = args.attention.plan.rows + item.row_begin;
  const u32 number = threads.number();
  if (is_box(item)) {
    if (number < kPanels<kQkDim>)
      copy_box(to + number * (kRows * kPanelRow), args.q, full, (int)(number * kPanelUnits), head, rows->token, 0);
    return;
  }
#pragma unroll 1
  for (u32 i = number; i < kPanels<kQkDim> * tokens_read(item); i += 32) {
    const u32 token = i / kPanels<kQkDim>;
    const u32 panel = i % kPanels<kQkDim>;
    copy_box(to + panel * (kRows * kPanelRow) + token * kQueryTokenBytes, args.q_token, full,
             (int)(panel * kPanelUnits), head, rows[min(token, item.row_count - 1u)].token, 0);
  }
}

/* Brings Q of an item to its place. */
void bring_query_to(const Place<kQueryTiles> &place, Threads<32> threads, const fi_attention_maps_args &args,
                    const fi_item &item, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  u64 *full = &barriers.query_full[place.number()];
  barrier_wait(&barriers.query_empty[place.number()], place.parity_before());
  if (threads.leads())
    barrier_expect(full, kPanels<kQkDim> * kQueryTokenBytes * tokens_read(item));
  threads.sync();
  bring_query(threads, args, item, query_tile_of(shared, place.number()), full);
}

/* Brings Q of all items of the CTA, from `first` on. */
void bring_queries(Threads<32> threads, const fi_attention_maps_args &args, const fi_item *first, u8 *shared) {
  Place<kQueryTiles> place = {0};
  Follower at = {{0}, first};
  do {
    bring_query_to(place, threads, args, *at.item, shared);
    place = place.next();
  } while (goes_on(at, shared));
}

/* All rows of the tiles belong to query tokens. */
void clear_padding(u8 *shared) {}

/* Where 16-byte chunk `chunk` of row `row` is in the tile. */
u32 query_offset(u32 row, u32 chunk) {
  return panel_chunk<kRows>(row, chunk);
}

u8 *query_tile(u8 *shared) {
  return shared + kSharedQuery;
}

struct Rotation {};

/* The dims of pair `pair` of a row. */
u32 first_of_pair(u32 pair) {
  return 2 * pair;
}

u32 second_of_pair(u32 pair) {
  return 2 * pair + 1;
}

/* Who transforms rows of the tile together: those that compute all of them. */
constexpr u32 kSharers = kWorkers;

typedef Threads<kSharers> RowSharers;

/* The tile is what the fragments need. */
void transform_query(RowSharers threads, u8 *query, const fi_attention_args &args, tile_row *rows) {}

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

void shrink_output(Output &o, const Shrinks &shrinks) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    shrink_group(o, r, shrinks.factors[r]);
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

/* Asking gains nothing of few scores, of logits far below 0, or where those that lift none are weights already. */
bool may_rise(const RowState &state, const Scores &scores, const float (&offsets)[kRowGroups],
              const LogitScale &scale) {
  return true;
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

/* Of a step of an item. It is read while products are under way: it comes from shared memory, which takes a while. */
struct Outlook {
  bool all_visible; /* each row sees all tokens of the step */
  bool is_last;
};

/*
 * What a consumer knows of the item that it is at, its CTA's item `count`. Places in shared memory are worked out anew
 * at each use: O and the scores need the registers.
 */
struct ItemView {
  u32 count;
  ScoreScale scale;

  ItemTile &tile(u8 *shared) const {
    return item_tiles(shared)[Place<kItemsAhead>{fresh(count)}.number()];
  }

  /* What is to be known of the step whose first token is `token`. */
  Outlook outlook(u8 *shared, int token) const {
    const fi_item &item = tile(shared).item;
    return {all_visible(item, token, kTeamTokens), token + (int)kTeamTokens >= item.kv_end};
  }

  u8 *query(u8 *shared) const {
    return query_tile_of(shared, Place<kQueryTiles>{fresh(count)}.number());
  }
};

/* A warp of a consumer is done with the tile. */
void release_query(const ItemView &view, u8 *shared) {
  release(&barriers_of(shared).query_empty[Place<kQueryTiles>{fresh(view.count)}.number()]);
}

/* Rows may be done again, by what Q has become in its tile. */
void end_scores_of_item(const ItemView &view, u8 *shared) {}

/* After an item. */
void end_query(const ItemView &view, u8 *shared) {
  release_query(view, shared);
}

void produce(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  if (warp() == kItemsWarp)
    bring_items({kItemsWarp * 32, 0}, maps.attention, first, shared);
  else if (warp() == kQueryWarp)
    bring_queries({kQueryWarp * 32, 0}, maps, first, shared);
  else
    bring_kv(maps, first, shared);
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

/*
 * Scores of a step, of which `token` is the first, become logits. Where all tokens are visible, only bits may say that
 * one is not.
 */
void to_masked_logits(Scores &scores, const fi_attention_args &args, const ItemView &view, u8 *shared, int token,
                      bool all_visible, const MaskBits &bits) {
  const ItemTile &tile = view.tile(shared);
  to_logits(scores, args, tile, view.scale, token);
  if (!all_seen(bits, all_visible))
    mask_step(scores, tile.rows, token, bits);
}

/* None are such. */
bool weigh_at_once(RowState &state, Scores &scores, const ScoreScale &scale, float cap_log2, bool all_seen) {
  return false;
}

/*
 * Scores of a step, of which `token` is the first, become weights; whether O must shrink, and by what. Where all tokens
 * are visible none is masked.
 */
bool weigh_step(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                const ItemView &view, u8 *shared, int token, bool all_visible, const MaskBits &bits) {
  if (weigh_at_once(state, scores, view.scale, args.cap_log2, all_visible))
    return false;
  to_masked_logits(scores, args, view, shared, token, all_visible, bits);
  return softmax(state, scores, shrinks, logit_scale(view.scale), late_bits(bits));
}

/* The same of the step in a stage, where what is visible was not asked for before. */
bool weigh_scores(RowState &state, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
                  const ItemView &view, u32 stage, u8 *shared, int token) {
  MaskWords words;
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token);
  const bool all_visible = view.outlook(shared, token).all_visible;
  const MaskBits &bits = gather_bits(words, view.tile(shared).rows, token, all_visible);
  return weigh_step(state, scores, shrinks, args, view, shared, token, all_visible, bits);
}

/* The rows' maxima after the step in a stage. */
step_maxima &maxima_of_stage(u8 *shared, u32 stage) {
  return ((step_maxima *)(shared + kSharedMaxima))[stage];
}

/* Writes the warp's maxima after a step of its own, and by what O shrinks if they have moved. */
void tell_maxima(step_maxima &to, const RowState &state, const Shrinks &shrinks, bool moved) {
  const u32 row = first_row();
  if (fresh_lane() == 0)
    to.moved[row / 16] = moved;
  if (fresh_lane() % 4 > 0)
    return;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    to.most[row + 8 * r] = state.most[r];
    if (moved)
      to.shrinks[row + 8 * r] = shrinks.factors[r];
  }
}

/* Takes the maxima after a step of the other consumer. Whether they have moved, so that O must shrink, and by what. */
bool take_maxima(RowState &state, Shrinks &shrinks, const step_maxima &from) {
  const u32 row = first_row();
  const bool moved = from.moved[row / 16];
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    state.most[r] = from.most[row + 8 * r];
    shrinks.factors[r] = moved ? from.shrinks[row + 8 * r] : 1;
    state.sum[r] *= shrinks.factors[r];
  }
  return moved;
}

/* Adds the other consumer's sums of the rows; those of items in turn have places of their own. */
void join_sums(Workers workers, RowState &state, u32 count, u8 *shared) {
  float2 *sums = (float2 *)(shared + kSharedSums) + count % 2 * kWorkers;
  const u32 number = workers.number();
  sums[number] = make_float2(state.sum[0], state.sum[1]);
  workers.sync();
  const float2 theirs = sums[(number + kWorkers / 2) % kWorkers];
  state.sum[0] += theirs.x;
  state.sum[1] += theirs.y;
}

/* Starts the scores of a step, when its K is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  const u32 query = matrix_at(view.query(shared), 0);
  const u32 keys = matrix_at(keys_of_stage(shared, place.number()), 0);
  barrier_wait(&barriers_of(shared).keys_full[place.number()], place.parity());
  pin(scores);
  products_begin();
  score(scores, query, keys);
}

/* Nobody needs K of the step any more. */
void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(scores);
  release(&barriers_of(shared).keys_empty[place.number()]);
}

u8 *weights_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedWeights + stage * (kRows * kPanelRow);
}

/* Weights have a place of their own, whose turn comes later. */
void before_softmax() {}

/* Before a consumer writes weights of a step of its own: products of the other one have read those before. */
void before_weights(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).weights_empty[place.number()], place.parity_before());
}

void wait_for_values(const Place<kStages> &place, u8 *shared) {
  barrier_wait(&barriers_of(shared).values_full[place.number()], place.parity());
}

/* The consumer's half of V of a step. */
u32 own_values(const Place<kStages> &place, u8 *shared) {
  const u32 half = fresh_thread() / 128 * kTileBytes<kVDim / 2, kTeamTokens>;
  return matrix_at(values_of_stage(shared, place.number()) + half, kTeamTokens * kPanelRow);
}

/* Products of O of a step have ended: the consumer needs its V no more. */
void release_own(const Place<kStages> &place, u8 *shared) {
  release(&barriers_of(shared).values_empty[place.number()]);
}

/* Nor, after a step of the other consumer, the weights. */
void release_other(const Place<kStages> &place, u8 *shared) {
  release_own(place, shared);
  release(&barriers_of(shared).weights_empty[place.number()]);
}

typedef u16 OutputElement;

/* Writes two elements of a row of O that lie next to each other. */
void write_output(OutputElement *to, float low, float high) {
  *(u32 *)to = pack_bf16(low, high);
}

/* Writes four. */
void write_output(OutputElement *to, const float4 &values) {
  *(uint2 *)to = {pack_bf16(values.x, values.y), pack_bf16(values.z, values.w)};
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

/* The log-sum-exp of a row is not asked for. */
void write_lse(const fi_attention_args &args, int token, u32 head, float most, float sum) {}

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

/* Q has been read, and a tensor map may write the next. Nor does a warp note odd values before these are forgotten. */
void end_redo(Workers threads) {
  shared_written();
  threads.sync();
}

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

/* What the lane that is so far away gives, where this one gives one of two values. */
float exchange(bool first, float one, float other, int distance) {
  return __shfl_xor_sync(kAllLanes, first ? one : other, distance);
}

/* Four columns of pairs p and p + 1 of a row group: of the first in even lanes. */
float4 four_of(const Output &o, u32 r, u32 p, u32 lane) {
  const bool odd = lane % 2;
  const float2 low = pair_of(o, r, p);
  const float2 high = pair_of(o, r, p + 1);
  const float x = exchange(odd, low.x, high.x, 1);
  const float y = exchange(odd, low.y, high.y, 1);
  return {odd ? x : low.x, odd ? y : low.y, odd ? high.x : x, odd ? high.y : y};
}

u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}

/* Writes eight elements of a row of O. */
void write_chunk(OutputElement *to, const float4 &begin, const float4 &end) {
  *(uint4 *)to = {pack_output(begin.x, begin.y), pack_output(begin.z, begin.w), pack_output(end.x, end.y),
                  pack_output(end.z, end.w)};
}

/* Writes the columns of pairs p to p + 3 of a row group to a row of O, eight a lane. */
void write_eight(const Output &o, u32 r, u32 p, u32 lane, const FinishedRow &finished, u32 first, bool is_there) {
  const bool upper = lane % 4 / 2;
  const float factor = finished.factor;
  const float4 low = four_of(o, r, p, lane);
  const float4 high = four_of(o, r, p + 2, lane);
  const float4 taken = {exchange(upper, low.x, high.x, 2), exchange(upper, low.y, high.y, 2),
                        exchange(upper, low.z, high.z, 2), exchange(upper, low.w, high.w, 2)};
  const float4 begin = {(upper ? taken.x : low.x) * factor, (upper ? taken.y : low.y) * factor,
                        (upper ? taken.z : low.z) * factor, (upper ? taken.w : low.w) * factor};
  const float4 end = {(upper ? high.x : taken.x) * factor, (upper ? high.y : taken.y) * factor,
                      (upper ? high.z : taken.z) * factor, (upper ? high.w : taken.w) * factor};
  if (is_there)
    write_chunk(finished.o + first + 8 * (p + lane % 2 + 2 * upper), begin, end);
}

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 first = first_dim();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const bool is_there = row < item.row_count * kGroup;
    const tile_row &at = tile.rows[is_there ? row : 0];
    const bool has_end = is_there && has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, at.token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p += 4)
        write_eight(state.o, r, p, lane, finished, first, is_there);
    } else {
      if (!is_there)
        continue;
      float *to = keep_row(args, item.part + at.part, state.most[r], state.sum[r], has_end);
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

constexpr int kWideParts = 64; /* whose loads are under way at once */
constexpr u32 kWideRowThreads = kVDim / 2;

float warp_max(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

float warp_sum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

/* A thread's columns of a row: O, not normalised, and the row's maximum and sum. */
struct WidePartial {
  float2 o;
  float most;
  float sum;
};

/* Joins as many partials as kWideParts, or fewer, to others. Lane l knows the states of partials l and l + 32. */
void join_wide(WidePartial &joined, const float2 *states, int state_step, const float *values, int value_step,
               int count, float scale) {
  float2 state[2];
  float2 o[kWideParts];
  float weight[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const long long part = 32 * i + (int)lane();
    state[i] = part < count ? states[part * state_step] : make_float2(minus_infinity(), 0);
  }
#pragma unroll
  for (int i = 0; i < kWideParts; i++)
    o[i] = i < count ? *(const float2 *)(values + (long long)i * value_step) : make_float2(0, 0);
  const float most = fmaxf(joined.most, warp_max(fmaxf(state[0].x, state[1].x)));
#pragma unroll
  for (int i = 0; i < 2; i++)
    weight[i] = state[i].y > 0 ? exp2_fast((state[i].x - most) * scale) : 0;
  const float shrink = joined.sum > 0 ? exp2_fast((joined.most - most) * scale) : 0;
  joined.most = most;
  joined.sum = fmaf(joined.sum, shrink, warp_sum(fmaf(weight[0], state[0].y, weight[1] * state[1].y)));
  joined.o.x *= shrink;
  joined.o.y *= shrink;
#pragma unroll
  for (int i = 0; i < kWideParts; i++) {
    const float factor = __shfl_sync(kAllLanes, weight[i / 32], i % 32);
    joined.o.x = fmaf(o[i].x, factor, joined.o.x);
    joined.o.y = fmaf(o[i].y, factor, joined.o.y);
  }
}

/* Merges all partials of a slice's rows, and writes them to O. */
void merge_wide_slice(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice) {
  const u32 i = slice * kWorkers + threads.number();
  const u32 row = i / kWideRowThreads;
  const u32 column = i % kWideRowThreads * 2;
  if (row >= unit.row_count * kGroup)
    return;
  const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
  const RowEnd end = row_end(args, token, unit.kv_head, row);
  const long long first = unit.part_begin + row;
  const long long stride = unit.part_stride;
  WidePartial joined = {{}, minus_infinity(), 0};
#pragma unroll 1
  for (int part = 0; part < unit.part_count; part += kWideParts)
    join_wide(joined, (const float2 *)args.plan.part_ml + first + part * stride, unit.part_stride,
              args.plan.part_o + (first + part * stride) * kVDim + column, unit.part_stride * kVDim,
              unit.part_count - part, joined_scale(args, unit.kv_head));
  const FinishedRow finished = finish_row(args, end, joined.most, joined.sum, column == 0);
  write_output(finished.o + column, joined.o.x * finished.factor, joined.o.y * finished.factor);
}

/*
 * Launches of a plan have this bit in turn. A unit's count of arrivals has it from the start in every other launch, and
 * its count of slices, from when all partials are there, in those between: so that neither has to be cleared while CTAs
 * may look at it.
 */
constexpr u32 kLaunchBit = 0x80000000;

constexpr int kFewParts = 8; /* partials of a unit whose loads are all under way at once, of several columns */
constexpr u32 kFewQuads = 4;
constexpr int kManyParts = 16; /* of more partials, and of fewer columns: slices are more, and smaller */
constexpr u32 kManyQuads = 1;

constexpr u32 kNoSlice = ~0u; /* more than any unit has */

/* What all of a unit's CTAs count its slices by; null where one CTA merges it. */
u32 *slices_taken(const fi_plan_arrays &plan, const fi_unit &unit) {
  return unit.parent ? plan.arrivals + unit.parent - 1 : nullptr;
}

/*
 * After an item's partial is written. If it is the last of its unit, the first slice is this CTA's and the others may
 * be taken.
 */
void arrive(Workers threads, const fi_plan_arrays &plan, int number, Barriers &barriers) {
  threads.sync();
  if (!threads.leads())
    return;
  fi_unit &unit = plan.units[number];
  const int part_count = unit.part_count; /* asked for before the arrival */
  u32 *const taken = slices_taken(plan, unit);
  const u32 before = count_down(plan.arrivals + number);
  barriers.open = ~before & kLaunchBit;
  barriers.unit = number;
  if (before % kLaunchBit > 1)
    return;
  plan.arrivals[number] = barriers.open | part_count;
  if (taken)
    store_released(taken, barriers.open | 1);
  unit.next = barriers.ready;
  barriers.ready = number;
  barriers.unit = -1;
}

/* Takes a slice. */
u32 take_slice(u32 *taken) {
  return atomicAdd(taken, 1) % kLaunchBit;
}

/* The first slice that is left when all partials of a unit are there; none when that takes long. */
u32 wait_for_slice(u32 *taken, u32 open) {
  constexpr int kPolls = 32;
  for (int i = 0; i < kPolls && taken; i++) {
    if ((load_acquired(taken) & kLaunchBit) == open)
      return take_slice(taken);
    pause();
  }
  return kNoSlice;
}

/* Merges all partials of a slice's rows and columns, and writes them to O. */
template <int kParts, u32 kQuads>
void merge_slice(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice) {
  const u32 i = slice * kWorkers + threads.number();
  const u32 row = i / kRowThreads<kQuads>;
  const u32 column = i % kRowThreads<kQuads> * 4;
  if (row >= unit.row_count * kGroup)
    return;
  const int token = args.plan.rows[unit.row_begin + row / kGroup].token;
  const long long first = unit.part_begin + row;
  const float2 *states = (const float2 *)args.plan.part_ml + first;
  const float *values = args.plan.part_o + first * kVDim + column;
  const int stride = unit.part_stride;
  const RowEnd end = row_end(args, token, unit.kv_head, row); /* asked for before the join */
  write_row(args, end, column,
            join<kParts, kQuads>(states, stride, values, stride * kVDim, unit.part_count,
                                 joined_scale(args, unit.kv_head)));
}

/* What one of the threads knows, for all of them. */
u32 share(Workers threads, u32 &shared, u32 known) {
  if (threads.leads())
    shared = known;
  threads.sync();
  const u32 all = shared;
  threads.sync();
  return all;
}

/*
 * Merges slices of a unit, from this one on, until all are taken, each by `merge`, for which a row is that of so many
 * threads.
 */
template <auto merge, u32 kThreadsOfRow>
void merge_slices(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice, u32 &shared) {
  const u32 count = (unit.row_count * kGroup * kThreadsOfRow + kWorkers - 1) / kWorkers;
  u32 *const taken = slices_taken(args.plan, unit);
  while (slice < count) {
    u32 next = slice + 1;
    if (threads.leads() && taken)
      next = take_slice(taken); /* asked for before the merge */
    merge(threads, args, unit, slice);
    slice = share(threads, shared, next);
  }
}

void merge_unit(Workers threads, const fi_attention_args &args, const fi_unit &unit, u32 slice, u32 &shared) {
  if (unit.part_count <= kFewParts)
    merge_slices<merge_slice<kFewParts, kFewQuads>, kRowThreads<kFewQuads>>(threads, args, unit, slice, shared);
  else if (unit.part_count <= 2 * kManyParts)
    merge_slices<merge_slice<kManyParts, kManyQuads>, kRowThreads<kManyQuads>>(threads, args, unit, slice, shared);
  else
    merge_slices<merge_wide_slice, kWideRowThreads>(threads, args, unit, slice, shared);
}

/*
 * After the CTA's items, when nothing else is in the registers: merges the units of which it wrote the last partial,
 * and then helps with that of its last partial. Most often one of both is the unit of the last item alone, whose record
 * is fetched while the arrival is under way.
 */
void merge_together(Workers threads, const fi_attention_args &args, int last_unit, Barriers &barriers) {
  int number = last_unit;
  fi_unit unit = args.plan.units[number];
  threads.sync();
  for (int ready = barriers.ready;; ready = args.plan.units[ready].next) {
    const bool helps = ready < 0;
    const int next = helps ? barriers.unit : ready;
    if (next < 0)
      return;
    if (next != number)
      unit = args.plan.units[next];
    number = next;
    u32 slice = 0;
    if (helps && threads.leads())
      slice = wait_for_slice(slices_taken(args.plan, unit), barriers.open);
    merge_unit(threads, args, unit, share(threads, barriers.slice, slice), barriers.slice);
    if (helps)
      return;
  }
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

/* After all of an item. */
void release_rows(const ItemView &view, u8 *shared) {
  end_query(view, shared);
  release(&barriers_of(shared).rows_empty[Place<kItemsAhead>{fresh(view.count)}.number()]);
}

/* The scores of a step of its own become the consumer's weights, which the other one reads. Whether O must shrink. */
bool weigh_own(RowState &state, Weights &weights, Scores &scores, Shrinks &shrinks, const fi_attention_args &args,
               const ItemView &view, const Place<kStages> &place, u8 *shared, int token) {
  before_softmax();
  const bool moved = weigh_scores(state, scores, shrinks, args, view, place.number(), shared, token);
  pack_weights(weights, scores);
  before_weights(place, shared);
  store_weights(weights_of_stage(shared, place.number()), weights);
  tell_maxima(maxima_of_stage(shared, place.number()), state, shrinks, moved);
  shared_written();
  release(&barriers_of(shared).weights_full[place.number()]);
  return moved;
}

/* Starts O += P V of a step of its own. */
void begin_own_output(Output &o, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  wait_for_values(place, shared);
  pin(o);
  products_begin();
  accumulate(o, weights, own_values(place, shared));
}

/* Starts O += P V of a step of the other consumer, when its weights are there. */
void begin_other_output(RowState &state, const Place<kStages> &place, u8 *shared) {
  Shrinks shrinks;
  barrier_wait(&barriers_of(shared).weights_full[place.number()], place.parity());
  wait_for_values(place, shared);
  if (take_maxima(state, shrinks, maxima_of_stage(shared, place.number())))
    shrink_output(state.o, shrinks);
  pin(state.o);
  products_begin();
  accumulate(state.o, matrix_at(weights_of_stage(shared, place.number()), 0), own_values(place, shared));
}

void end_output(Output &o) {
  products_wait<0>();
  pin(o);
}

/*
 * The consumer that has the first step of an item, and every other one: of two steps both have their products with V
 * one after the other, then come the scores of its next step.
 */
void lead(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
          int token, int end) {
  Scores scores;
  Weights weights;
  Shrinks shrinks;
#pragma unroll 1
  for (; token < end; token += (int)(2 * kTeamTokens)) {
    begin_scores(scores, view, place, shared);
    end_scores(scores, place, shared);
    if (token + (int)(2 * kTeamTokens) >= end)
      end_scores_of_item(view, shared);
    if (weigh_own(state, weights, scores, shrinks, args, view, place, shared, token))
      shrink_output(state.o, shrinks);
    begin_own_output(state.o, weights, place, shared);
    end_output(state.o);
    release_own(place, shared);
    place = place.next();
    if (token + (int)kTeamTokens >= end)
      return;
    begin_other_output(state, place, shared);
    end_output(state.o);
    release_other(place, shared);
    place = place.next();
  }
}

/*
 * The consumer that has the second step of an item, and every other one: while its scores become weights, products of
 * those of the step before with V are under way.
 */
void follow(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
            int token, int end) {
  Scores scores;
  Weights weights;
  Shrinks shrinks;
  if (token + (int)kTeamTokens >= end)
    end_scores_of_item(view, shared);
#pragma unroll 1
  for (; token + (int)kTeamTokens < end; token += (int)(2 * kTeamTokens)) {
    const Place<kStages> own = place.next();
    begin_scores(scores, view, own, shared);
    end_scores(scores, own, shared);
    if (token + (int)(3 * kTeamTokens) >= end)
      end_scores_of_item(view, shared);
    begin_other_output(state, place, shared);
    const bool moved =
        weigh_own(state, weights, scores, shrinks, args, view, own, shared, token + (int)kTeamTokens);
    end_output(state.o);
    release_other(place, shared);
    if (moved)
      shrink_output(state.o, shrinks);
    begin_own_output(state.o, weights, own, shared);
    end_output(state.o);
    release_own(own, shared);
    place = own.next();
  }
  if (token >= end)
    return;
  begin_other_output(state, place, shared);
  end_output(state.o);
  release_other(place, shared);
  place = place.next();
}

/* A consumer's part of an item. Which of them leads goes by the stage that the first step is in. */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared,
            u32 self) {
  const fi_item &item = view.tile(shared).item;
  const int token = (int)uniform((u32)first_of_steps(item.kv_begin));
  const int end = (int)uniform((u32)item.kv_end);
  if (token >= end)
    return end_scores_of_item(view, shared);
  if (place.number() % kConsumers == self)
    lead(state, args, view, place, shared, token, end);
  else
    follow(state, args, view, place, shared, token, end);
}

/*
 * One CTA works through its items of the plan. Warps of the producer bring rows of items, Q, and the steps' K and V, as
 * far ahead as there is room. Two consumers have the same rows, half of the dims of O each, and every other step: O of
 * all dims does not fit the registers of one.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_attention(const __grid_constant__ fi_attention_maps_args maps) {
  const fi_attention_args &args = maps.attention;
  if (begins_to_wait(args.order))
    return;
  extern __shared__ __align__(1024) u8 shared[];
  const fi_item *first = args.plan.first + blockIdx.x;
  if (is_idle(args, *first))
    return;
  Barriers &barriers = barriers_of(shared);
  const u32 self = consumer();
  const Workers workers = {0, kWorkersBarrier};
  clear_padding(shared);
  clear_odd_values(workers, shared);
  if (threadIdx.x == 0)
    open_barriers(barriers);
  __syncthreads();

  if (self == kConsumers) {
    keep_registers<kProducerRegisters>();
    produce(maps, first, shared);
    return;
  }

  take_registers<kConsumerRegisters>();
  Place<kStages> place = {0};
  u32 count = 0;
  for (;; count++) {
    const Place<kItemsAhead> rows = {count};
    barrier_wait(&barriers.rows_full[rows.number()], rows.parity());
    ItemView view = {count};
    ItemTile &tile = view.tile(shared);
    if (uniform(tile.item.row_count) == 0)
      break;
    const Place<kQueryTiles> query = {count};
    barrier_wait(&barriers.query_full[query.number()], query.parity());
    transform_query(workers, view.query(shared), args, tile.rows);
    view.scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
    RowState state;
    open_rows(state);
    attend(state, args, view, place, shared, self);
    ItemTile &ended = view.tile(shared);
    const ItemEnd end = item_end(ended.item);
    note_odd_values(ended.item, state.o, shared);
    join_sums(workers, state, count, shared);
    close_rows(state, ended.rows);
    publish(args, ended, state);
    redo_odd_rows(workers, args, ended, end, shared);
    release_rows(view, shared);
    if (end.is_partial)
      arrive(workers, args.plan, end.unit, barriers);
  }
  const ItemTile &last = item_tiles(shared)[Place<kItemsAhead>{count - 1}.number()];
  merge_together(workers, args, last.item.unit, barriers);
}
