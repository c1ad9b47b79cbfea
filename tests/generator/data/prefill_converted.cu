/* flashjit: attention family=wgmma group=4 rows=128 kv=e4m3 page=16 */

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

constexpr int kVDim = 128;               /* elements of a row of V and O */
constexpr int kGroup = 4;                /* query heads per KV head */
constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */
constexpr int kMaskBits = 0;             /* 1: a packed mask says which of them are seen */
constexpr int kQkDim = 128;              /* elements of a head of Q and K */
constexpr int kKvBits = 8;               /* of a stored element of K or V */
constexpr int kHidesTokens = 0;          /* 1: logits of -infinity are of tokens that are not seen */

constexpr int kThreads = 512;            /* of a CTA */
constexpr int kCtasPerSm = 1;            /* CTAs that share an SM */
constexpr int kRows = 128;               /* of the tile: query tokens x group */
constexpr int kTokens = 32;              /* query tokens of the tile */
constexpr int kTeamTokens = 128;         /* KV tokens of a team in one step */
constexpr int kStages = 2;               /* steps of KV in the ring */
constexpr int kWorkers = 256;            /* threads that compute: the consumers */
constexpr int kRowBlocks = 1;            /* 16-row blocks of a warp */
constexpr int kBoxTokens = 16;           /* KV tokens of a box, which lie in one page */
constexpr int kPartTokens = 8;           /* KV tokens of a part of a box */
constexpr int kProducerRegisters = 56;   /* of a thread of the producer warpgroup */
constexpr int kConsumerRegisters = 200;  /* of a thread of the consumers */
constexpr int kRowWarps = 8;             /* warps that divide the rows */
constexpr int kValueWarps = 1;           /* warps with the same rows */
constexpr int kQueryTiles = 1;           /* tiles of Q: the next is brought while one is in use */
constexpr int kSharedQuery = 0;          /* byte offset in shared memory: the tiles of Q */
constexpr int kSharedKeys = 32768;       /* the ring of K */
constexpr int kSharedValues = 98304;     /* the ring of V, as it comes */
constexpr int kSharedStored = 163840;    /* K and V of a step before they are converted */
constexpr int kSharedOutput = 196608;    /* O on its way out, a part a warp */
constexpr int kSharedItems = 204800;     /* work items with the rows of their tiles */
constexpr int kSharedBarriers = 212064;  /* full and empty, of rows, Q and each ring; first of the units to merge */

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
/* .. and Q, and those that follow it see to K and V. */
constexpr u32 kLoaderWarp = kItemsWarp + 1;
constexpr u32 kLoaderWarps = (kThreads - kWorkers) / 32 - 1;
constexpr u32 kFollowers = kLoaderWarps;

/* Numbers of barriers: 0 is that of the CTA. */
constexpr u32 kTurnBarrier = 1;
constexpr u32 kConsumerBarrier = kTurnBarrier + kConsumers;
constexpr u32 kWorkersBarrier = kConsumerBarrier + kConsumers;

typedef Threads<128> Warpgroup;

/* Which consumer a thread belongs to, of which the compiler knows that it is the same for a warp. */
u32 consumer() {
  return __shfl_sync(kAllLanes, threadIdx.x / 128, 0);
}

Warpgroup consumer_threads(u32 consumer) {
  return {consumer * 128, kConsumerBarrier + consumer};
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

/* Eight 16-bit elements of a chunk, by the conversion of a pair. */
template <typename Unpack> void unpack_chunk(float (&values)[8], uint4 words, Unpack unpack) {
  const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

template <typename Pack> uint4 pack_chunk(const float (&values)[8], Pack pack) {
  return make_uint4(pack(values[0], values[1]), pack(values[2], values[3]), pack(values[4], values[5]),
                    pack(values[6], values[7]));
}

/* Two values as a pair of the type that the matrix instructions take, and back. */
u32 pack_compute(float low, float high) {
  return pack_f16(low, high);
}

float2 unpack_compute(u32 word) {
  return unpack_f16(word);
}

/* Four e4m3 values as two pairs of f16. */
uint2 widen_four(u32 codes) {
  uint2 pairs;
  asm("{\n.reg .b16 low, high;\nmov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\ncvt.rn.f16x2.e4m3x2 %1, high;\n}"
      : "=r"(pairs.x), "=r"(pairs.y)
      : "r"(codes));
  return pairs;
}

uint2 convert_four(u32 codes) {
  return widen_four(codes);
}

/* Element `dim` of a stored row. */
float stored_element(const u8 *row, u32 dim) {
  return unpack_compute(convert_four(row[dim]).x).x;
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

constexpr u32 kReadyLists = 1;

struct Merges {
  int ready[kReadyLists]; /* first of the units that this CTA must merge, list by list */
};

void open_merges(Merges &merges) {
  for (int &ready : merges.ready)
    ready = -1;
}

/* Opens the barriers of a place, which is full after so many arrivals, and empty after so many. */
void open_place(u64 *full, u32 fills, u64 *empty, u32 releases) {
  barrier_open(full, fills);
  barrier_open(empty, releases);
}

constexpr u32 kFillArrivals = 1; /* of a stage: what expects the copies */

/* Of K and V, by so many arrivals. */
void open_stages(StageBarriers &barriers, u32 fills) {
  for (u32 i = 0; i < kStages; i++) {
    open_place(&barriers.keys_full[i], fills, &barriers.keys_empty[i], kConsumerWarps);
    open_place(&barriers.values_full[i], fills, &barriers.values_empty[i], kConsumerWarps);
  }
}

/* Of K and V of a step as they come. */
struct StoredBarriers {
  u64 stored_keys_full;
  u64 stored_keys_empty;
  u64 stored_values_full;
  u64 stored_values_empty;
};

struct RingBarriers : StoredBarriers, StageBarriers {};

/* Warps empty K and V as they come, and fill them converted. */
void open_ring(RingBarriers &barriers) {
  open_place(&barriers.stored_keys_full, kFillArrivals, &barriers.stored_keys_empty, kLoaderWarps);
  open_place(&barriers.stored_values_full, kFillArrivals, &barriers.stored_values_empty, kLoaderWarps);
  open_stages(barriers, kLoaderWarps);
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

/* Waits until K or V of a step is there, or a part of K. */
void wait_for_tile(u64 *full, u32 parity) {
  barrier_wait(full, parity);
}

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

typedef int Position;

/* The position of a row is its place. */
void note_position(tile_row &to, const fi_attention_args &args) {}

/* That of Q of a row. */
Position query_position(const fi_attention_args &args, const tile_row &row) {
  return row.place;
}

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

u8 *stored_keys(u8 *shared) {
  return shared + kSharedStored;
}

u8 *stored_values(u8 *shared) {
  return stored_keys(shared) + kStoredBytes<kQkDim>;
}

/* Both are brought anew in each step. */
Place<1> stored_place(const Place<kStages> &place) {
  return {place.count};
}

/* A step of an item: where the lane's box is. */
struct Step {
  int token; /* the first */
  int place;
};

/* Asks for the box of the step whose first token is `token`. */
Step find_step(const fi_attention_args &args, const fi_item &item, int token) {
  return {token, place_of_box(args, item, token)};
}

/* Starts the copies of K of a step once there is room: one of the warps does. */
void begin_keys(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                const Place<kStages> &place, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Barriers &barriers = barriers_of(shared);
  const u32 to = shared_address(stored_keys(shared));
  const TileCopy copy = {maps.k, maps.k_part, maps.k_token, to, &barriers.stored_keys_full, item.kv_head};
  barrier_wait(&barriers.stored_keys_empty, stored_place(place).parity_before());
  copy_tile<kQkDim>(copy, item, box_of_step(item, step.token, step.place), step.token);
}

/* The same of V. */
void begin_values(const fi_attention_maps_args &maps, const fi_item &item, const Step &step,
                  const Place<kStages> &place, u8 *shared) {
  if (warp() != kLoaderWarp)
    return;
  Barriers &barriers = barriers_of(shared);
  const u32 to = shared_address(stored_values(shared));
  const TileCopy copy = {maps.v, maps.v_part, maps.v_token, to, &barriers.stored_values_full, item.kv_head};
  barrier_wait(&barriers.stored_values_empty, stored_place(place).parity_before());
  copy_tile<kVDim>(copy, item, box_of_step(item, step.token, step.place), step.token);
}

/* Writes 16 elements as two chunks of a row, whose places differ in the lowest bit of their number. */
void write_converted(u8 *tile, u32 at, const uint4 &codes) {
  const uint2 pairs[4] = {convert_four(codes.x), convert_four(codes.y), convert_four(codes.z), convert_four(codes.w)};
  *(uint4 *)(tile + at) = make_uint4(pairs[0].x, pairs[0].y, pairs[1].x, pairs[1].y);
  *(uint4 *)(tile + (at ^ 16)) = make_uint4(pairs[2].x, pairs[2].y, pairs[3].x, pairs[3].y);
}

/*
 * Converts the warp's rows of a tile, in blocks of eight. Eight lanes have the same chunk of eight rows, which both
 * tiles have in eight banks. A panel of converted elements is half of a stored one. Chunks of all panels are loaded
 * before any is written, and of two blocks where panels are few. The warp that starts copies has the fewest blocks.
 */
template <u32 kDim> void convert_tile(u8 *tile, const u8 *stored) {
  constexpr u32 kWide = kPanels<kDim>;
  constexpr u32 kAtOnce = kWide > 2 ? 1 : 2; /* blocks */
  constexpr u32 kBlock = 8 * kPanelRow;
  constexpr u32 kPanel = kTeamTokens * kPanelRow;
  constexpr u32 kStride = kLoaderWarps * kBlock;
  const u32 lane = fresh_lane();
  const u32 row = lane % 8;
  const u32 from = panel_chunk<kTeamTokens>(row, lane / 8);
  const u32 to = panel_chunk<kTeamTokens>(row, lane / 8 * 2);
#pragma unroll 1
  for (u32 i = kLoaderWarp + kLoaderWarps - 1 - warp(); i < kTeamTokens / 8; i += kLoaderWarps * kAtOnce) {
    const bool both = kAtOnce > 1 && i + kLoaderWarps < kTeamTokens / 8;
    uint4 codes[kAtOnce * kWide];
#pragma unroll
    for (u32 n = 0; n < kAtOnce * kWide; n++) {
      const u32 panel = n % kWide;
      if (n < kWide || both)
        codes[n] = *(const uint4 *)(stored + panel / 2 * kPanel + i * kBlock + n / kWide * kStride +
                                    (from ^ panel % 2 * 64));
    }
#pragma unroll
    for (u32 n = 0; n < kAtOnce * kWide; n++)
      if (n < kWide || both)
        write_converted(tile + n % kWide * kPanel + i * kBlock + n / kWide * kStride, to, codes[n]);
  }
}

/* Products read what was written, and what was read is copied anew. */
void tell_of_tile(u64 *full, u64 *stored_empty) {
  shared_written();
  release(full);
  release(stored_empty);
}

/* Converts K of a step when it is there, and there is room. */
void convert_keys(const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 stage = place.number();
  barrier_wait(&barriers.stored_keys_full, stored_place(place).parity());
  barrier_wait(&barriers.keys_empty[stage], place.parity_before());
  convert_tile<kQkDim>(keys_of_stage(shared, stage), stored_keys(shared));
  tell_of_tile(&barriers.keys_full[stage], &barriers.stored_keys_empty);
}

/* The same of V. */
void convert_values(const Place<kStages> &place, u8 *shared) {
  Barriers &barriers = barriers_of(shared);
  const u32 stage = place.number();
  barrier_wait(&barriers.stored_values_full, stored_place(place).parity());
  barrier_wait(&barriers.values_empty[stage], place.parity_before());
  convert_tile<kVDim>(values_of_stage(shared, stage), stored_values(shared));
  tell_of_tile(&barriers.values_full[stage], &barriers.stored_values_empty);
}

/* Brings K and V of all items of the CTA, from `first` on. Where those of a step are is looked up a step ahead. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    Step step = find_step(maps.attention, item, first_of_steps(item.kv_begin));
    if (step.token < item.kv_end)
      begin_keys(maps, item, step, place, shared);
#pragma unroll 1
    while (step.token < item.kv_end) {
      const Step following = find_step(maps.attention, item, step.token + (int)kTeamTokens);
      begin_values(maps, item, step, place, shared);
      convert_keys(place, shared);
      place = place.next();
      if (following.token < item.kv_end)
        begin_keys(maps, item, following, place, shared);
      convert_values({place.count - 1}, shared);
      step = following;
    }
  } while (goes_on(at, shared));
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

/* Brings the items of the CTA, from `item` on, and Q of each. */
void bring_items(Threads<32> threads, const fi_attention_maps_args &args, const fi_item *item, u8 *shared) {
  int next = 0;
  for (Place<kItemsAhead> place = {0}; item; place = place.next()) {
    item = bring_item(threads, args.attention, item, next, place, shared);
    if (item)
      bring_query_to({place.count}, threads, args, *item, shared);
  }
}

/* All rows of the tiles belong to query tokens. */
void clear_padding(u8 *shared) {}

constexpr u32 kQueryChunks = kQkDim / 8;

/* Where 16-byte chunk `chunk` of row `row` is in the tile. */
u32 query_offset(u32 row, u32 chunk) {
  return panel_chunk<kRows>(row, chunk);
}

float2 unpack_query(u32 word) {
  return unpack_bf16(word);
}

struct Rotation {};

Rotation rotation_to(const fi_rope_args &rope, Position position) {
  return {};
}

template <u32 kDim> constexpr u32 kRowUnits = kDim / 8;

/* Takes the elements of unit `unit` of a row, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  float values[8];
  load(values, unit);
  store(values, unit);
}

/* The dims of pair `pair` of a row. */
u32 first_of_pair(u32 pair) {
  return 2 * pair;
}

u32 second_of_pair(u32 pair) {
  return 2 * pair + 1;
}

/* Who transforms rows of the tile together: a consumer its own. */
constexpr u32 kSharers = 128;
constexpr u32 kSharerRows = 64;

typedef Threads<kSharers> RowSharers;

/* The products read the rows from shared memory. */
void end_transform(RowSharers threads) {
  shared_written();
  threads.sync();
}

/* Most of a row of Q is scaled to: half of what f16 holds twice over, since rotation makes it larger. */
constexpr u32 kScaledExponent = 127 + 12;

/*
 * Finds what each row of the tile is divided by, a power of two. Eight threads share a row; magnitudes of bf16 compare
 * as integers.
 */
void find_query_scales(RowSharers threads, const u8 *query, tile_row *rows) {
#pragma unroll 1
  for (u32 i = threads.number(); i < kSharerRows * 8; i += kSharers) {
    const u32 row = i / 8;
    u32 most = 0;
#pragma unroll 1
    for (u32 chunk = i % 8; chunk < kQueryChunks; chunk += 8) {
      const uint4 words = *(const uint4 *)(query + query_offset(row, chunk));
      const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
      for (u32 pair : pairs)
        most = max(most, max(pair & 0x7fffffff, pair << 16 & 0x7fffffff));
    }
#pragma unroll
    for (u32 step = 1; step < 8; step *= 2)
      most = max(most, __shfl_xor_sync(kAllLanes, most, step));
    const u32 exponent = max(most >> 23, kScaledExponent - 126); /* of a normal number, as is its inverse */
    if (i % 8 == 0)
      rows[row].query_scale = __uint_as_float(exponent - (kScaledExponent - 127) << 23);
  }
  threads.sync();
}

/* What a row's elements are multiplied with: the inverse of a power of two. */
float query_factor(const tile_row &row) {
  return __uint_as_float((254u << 23) - __float_as_uint(row.query_scale));
}

/* Turns unit `unit` of a row of the tile, whose elements are multiplied with a factor. */
void transform_unit(u8 *query, u32 row, u32 unit, float factor, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) {
    unpack_chunk(values, *(const uint4 *)(query + query_offset(row, chunk)), unpack_query);
#pragma unroll
    for (float &value : values)
      value *= factor;
  };
  const auto store = [&](const float(&values)[8], u32 chunk) {
    *(uint4 *)(query + query_offset(row, chunk)) = pack_chunk(values, pack_compute);
  };
  rotate_unit(unit, by, load, store);
}

/* Turns the rows from what was fetched into what the fragments need: rotated, and of the type to compute in. */
void transform_query(RowSharers threads, u8 *query, const fi_attention_args &args, tile_row *rows) {
  find_query_scales(threads, query, rows);
#pragma unroll 1
  for (u32 i = threads.number(); i < kSharerRows * kRowUnits<kQkDim>; i += kSharers) {
    const u32 row = i / kRowUnits<kQkDim>;
    const float factor = query_factor(rows[row]);
    const Rotation by = rotation_to(args.rope, query_position(args, rows[row]));
    transform_unit(query, row, i % kRowUnits<kQkDim>, factor, by);
  }
  end_transform(threads);
}

constexpr u32 kTeamWarps = kRowWarps * kValueWarps;

/* K is stored as it is scored. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return {};
}

void rotate_stored(float &x, float &y, u32 pair, const Rotation &by) {}

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

/* c = a b, or c += a b: 64 x 16 by 16 x 128 elements of f16 that matrix descriptors tell of. */
void multiply_keys(float (&c)[16][4], u64 a, u64 b, bool add) {
  asm volatile("{.reg .pred add; setp.ne.b32 add, %66, 0;"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, "
               "%40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, "
               "%56, %57, %58, %59, %60, %61, %62, %63"
               "}, %64, %65, add, 1, 1, 0, 0;}"
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
                 "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3])
               : "l"(a), "l"(b), "r"((u32)add));
}

/* c += a b: 64 x 16 elements of f16 in registers by 16 x 128 that a matrix descriptor tells of. */
void multiply_values(float (&c)[16][4], const u32 (&a)[4], u64 b) {
  asm volatile("{.reg .pred add; setp.ne.b32 add, 1, 0;"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, "
               "%8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, "
               "%24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, "
               "%40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, "
               "%56, %57, %58, %59, %60, %61, %62, %63"
               "}, {%64, %65, %66, %67}, %68, add, 1, 1, 1;}"
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
                 "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
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

/* What the scores of each row group are multiplied with. */
struct ScoreScale {
  float rows[kRowGroups];

  float of(u32 group) const {
    return rows[group];
  }
};

/* That of one row, by the item's and what its Q was divided by. */
float row_scale(float scale, const tile_row &row) {
  return positive_scale(scale * row.query_scale);
}

/* Those of the thread's rows. */
ScoreScale spread_scale(float scale, const tile_row *rows) {
  ScoreScale spread;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    spread.rows[r] = row_scale(scale, rows[first_row() + 8 * r]);
  return spread;
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

/* What states of a row are joined by: its score as Q gives it, before that was divided. */
float joined_score(float score, const tile_row &row) {
  return score * row.query_scale;
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

/* The consumer's own rows of the tile of Q. */
u8 *own_query(const ItemView &view, u8 *shared) {
  return view.query(shared) + fresh_thread() / 128 * (64 * kPanelRow);
}

void wait_for_keys(const Place<kStages> &place, u8 *shared) {
  wait_for_tile(&barriers_of(shared).keys_full[place.number()], place.parity());
}

/* Starts the scores of a step, whose K is there. */
void begin_scores(Scores &scores, const ItemView &view, const Place<kStages> &place, u8 *shared) {
  pin(scores);
  products_begin();
  score(scores, matrix_at(own_query(view, shared), 0), matrix_at(keys_of_stage(shared, place.number()), 0));
}

/* Waits for the products of a step's scores, then nobody needs its K. So many groups of products may go on. */
template <int kPending> void end_scores(Scores &scores, const Place<kStages> &place, u8 *shared) {
  products_wait<kPending>();
  pin(scores);
  release(&barriers_of(shared).keys_empty[place.number()]);
}

/* Consumers start products when they can: two find their way past each other faster than in turns. */
void wait_turn(u32 consumer) {}

void pass_turn(u32 consumer) {}

void open_turns(u32 consumer) {}

void close_turns(u32 consumer) {}

u32 consumer_after(u32 consumer) {
  return consumer;
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

/* Starts O += P V of a step, when its V is there. */
void begin_output(Output &o, const Weights &weights, const Place<kStages> &place, u8 *shared) {
  wait_for_tile(&barriers_of(shared).values_full[place.number()], place.parity());
  pin(o);
  products_begin();
  accumulate(o, weights, matrix_at(values_of_stage(shared, place.number()), kTeamTokens * kPanelRow));
}

/* Waits for the products of O of a step, then nobody needs its V. */
void end_output(Output &o, const Place<kStages> &place, u8 *shared) {
  products_wait<0>();
  pin(o);
  release(&barriers_of(shared).values_empty[place.number()]);
}

/*
 * A consumer's part of an item. The scores of a step are under way beside the product of the weights before them with
 * V; while the latter still is, the scores become weights. One consumer is at its softmax while the matrix units work
 * for another; three take turns at starting products for that.
 */
void attend(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place, u8 *shared) {
  int token = first_of_steps(view.tile(shared).item.kv_begin);
  if (token >= view.tile(shared).item.kv_end) {
    end_scores_of_item(view, shared);
    return;
  }
  Scores scores;
  Weights weights;
  Shrinks shrinks;
  wait_for_keys(place, shared);
  begin_scores(scores, view, place, shared);
  Outlook outlook = view.outlook(shared, token);
  MaskWords words;
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token);
  MaskBits bits = gather_bits(words, view.tile(shared).rows, token, outlook.all_visible);
  fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token + (int)kTeamTokens);
  end_scores<0>(scores, place, shared);
  weigh_step(state, scores, shrinks, args, view, shared, token, outlook.all_visible, bits);
  pack_weights(weights, scores);
#pragma unroll 1
  while (!outlook.is_last) {
    token += (int)kTeamTokens;
    const Place<kStages> next = place.next();
    wait_for_keys(next, shared);
    wait_turn(fresh_thread() / 128);
    begin_scores(scores, view, next, shared);
    outlook = view.outlook(shared, token);
    begin_output(state.o, weights, place, shared);
    pass_turn(consumer_after(fresh_thread() / 128));
    bits = gather_bits(words, view.tile(shared).rows, token, outlook.all_visible);
    fetch_words(words, mask_rows(args, view.tile(shared)), view.tile(shared), token + (int)kTeamTokens);
    end_scores<1>(scores, next, shared);
    const bool shrinks_output =
        weigh_step(state, scores, shrinks, args, view, shared, token, outlook.all_visible, bits);
    end_output(state.o, place, shared);
    pack_weights(weights, scores);
    if (shrinks_output)
      shrink_output(state.o, shrinks);
    place = next;
  }
  end_scores_of_item(view, shared);
  begin_output(state.o, weights, place, shared);
  end_output(state.o, place, shared);
  place = place.next();
}

void produce(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  if (warp() == kItemsWarp)
    bring_items({kItemsWarp * 32, 0}, maps, first, shared);
  else
    bring_kv(maps, first, shared);
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

/*
 * Does the warp's rows again that do not see all of the item's tokens. Not inlined: it would take registers from the
 * main loop.
 */
__noinline__ void redo_rows(const fi_attention_args &args, const ItemTile &tile, const u8 *query) {
  const u32 begin = fresh_thread() / 32 * 16;
  const u32 end = min(begin + 16, tile.item.row_count * kGroup);
#pragma unroll 1
  for (u32 row = begin; row < end; row++)
    if (sees_less(tile, row))
      redo_row(args, tile, query_row(args, tile, query, row), row);
}

/* After a warp has published its rows: does them again if O has odd values. */
void redo_odd_rows(const fi_attention_args &args, const ItemTile &tile, const Output &o, const u8 *query) {
  if (!may_differ(tile.item) || !__any_sync(kAllLanes, has_odd_values(o)))
    return;
  __syncwarp(); /* what is published of these rows has been written */
  redo_rows(args, tile, query);
  shared_written(); /* Q has been read: a tensor map may write the next */
}

constexpr u32 kStagedRow = 128; /* bytes */
constexpr u32 kStagedColumns = kStagedRow / sizeof(OutputElement);

/* The warp's part of the shared memory. */
u8 *staging(u8 *shared) {
  return shared + kSharedOutput + warp() * (8 * kStagedRow);
}

/* Where column `column` of a row of the group is staged. */
OutputElement *staged(u8 *stage, u32 row, u32 column) {
  const u32 byte = column % kStagedColumns * sizeof(OutputElement);
  return (OutputElement *)(stage + row * kStagedRow + (byte / 16 ^ row) * 16 + byte % 16);
}

/* Writes a row group to O; lane l has row l / 4, which ends as `finished` says, and of the group `count` are real. */
void write_group(const Output &o, u32 group, const FinishedRow &finished, u32 count, u8 *stage) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 first = 0; first < kVDim; first += kStagedColumns) {
#pragma unroll
    for (u32 column = 0; column < kStagedColumns && first + column < kVDim; column += 8) {
      const u32 i = (first + column) / 4;
      write_output(staged(stage, lane / 4, column + first_column(lane)), at(o, group, i) * finished.factor,
                   at(o, group, i + 1) * finished.factor);
    }
    __syncwarp();
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
      const u32 row = lane / 8 + 4 * i;
      OutputElement *to = (OutputElement *)__shfl_sync(kAllLanes, (u64)finished.o, row * 4);
      const u32 column = lane % 8 * (kStagedColumns / 8);
      if (row < count && first + column < kVDim)
        *(uint4 *)(to + first + column) = *(const uint4 *)staged(stage, row, column);
    }
    __syncwarp();
  }
}

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state, u8 *stage) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 rows = item.row_count * kGroup;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const bool has_end = row < rows && has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, tile.rows[row].token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
      const u32 first = row - lane / 4;
      write_group(state.o, r, finished, rows > first ? rows - first : 0, stage);
    } else if (row < rows) {
      float *to = keep_row(args, item.part + tile.rows[row].part, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 i = 0; i < kVDim / 4; i += 2)
        *(float2 *)(to + first_column(lane) + column_step(i)) = make_float2(at(state.o, r, i), at(state.o, r, i + 1));
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

/* Whether a consumer has rows of an item: its other rows are as good as any. */
bool has_rows(const fi_item &item) {
  return true;
}

/* What a consumer does about an item. */
void attend_own_rows(RowState &state, const fi_attention_args &args, const ItemView &view, Place<kStages> &place,
                     u8 *shared) {
  attend(state, args, view, place, shared);
}

/*
 * One CTA works through its items of the plan. Warps of the producer bring the rows of items, Q, and K and V of their
 * steps, as far ahead as there is room; consumers have 64 rows of the tile each.
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
  clear_padding(shared);
  if (threadIdx.x == 0)
    open_barriers(barriers);
  __syncthreads();

  if (consumer() >= kConsumers) {
    keep_registers<kProducerRegisters>();
    produce(maps, first, shared);
    return;
  }

  take_registers<kConsumerRegisters>();
  const u32 self = consumer();
  const Workers workers = {0, kWorkersBarrier};
  Place<kStages> kv = {0};
  open_turns(self);
  u32 count = 0;
  for (;; count++) {
    const Place<kItemsAhead> rows = {count};
    barrier_wait(&barriers.rows_full[rows.number()], rows.parity());
    ItemView view = {count};
    ItemTile &tile = view.tile(shared);
    if (tile.item.row_count == 0)
      break;
    const Place<kQueryTiles> query = {count};
    barrier_wait(&barriers.query_full[query.number()], query.parity());
    if (has_rows(tile.item))
      transform_query(consumer_threads(self), own_query(view, shared), args, tile.rows + self * 64);
    view.scale = spread_scale(score_scale(args, tile.item.kv_head), tile.rows);
    RowState state;
    open_rows(state);
    attend_own_rows(state, args, view, kv, shared);
    ItemTile &ended = view.tile(shared);
    close_rows(state, ended.rows);
    publish(args, ended, state, staging(shared));
    redo_odd_rows(args, ended, state.o, view.query(shared));
    const ItemEnd end = item_end(ended.item);
    end_query(view, shared);
    release(&barriers.rows_empty[rows.number()]);
    if (end.is_partial)
      arrive(workers, args.plan, end.unit, end.unit_count, *barriers.ready);
  }
  close_turns(self);
  const ItemTile &last = item_tiles(shared)[Place<kItemsAhead>{count - 1}.number()];
  merge_units(workers, args, last.item.unit, *barriers.ready);
}
