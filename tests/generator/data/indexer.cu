/* flashjit: indexer group=64 kv=e4m3 scale=token page=64 */

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

/* Of kernels that choose blocks; strides in elements. */
struct fi_indexer_args {
  struct fi_plan_arrays plan;
  const void *q;
  struct fi_kv_args k;
  const float *weights;
  int *lists;
  unsigned *ranks; /* [CTAs][lists of a CTA's query token and KV head][max_blocks] */
  long long q_token_stride, q_head_stride;
  long long weight_stride;
  long long list_token_stride, list_head_stride;
  int max_blocks;
  int max_selected;
  int first_blocks, last_blocks; /* that every list has */
  int kv_heads;
  unsigned rows_id; /* that the header must have */
};

constexpr int kHeadDim = 128;            /* elements of a head */
constexpr int kGroup = 64;               /* query heads per KV head */
constexpr int kPageSize = 64;            /* tokens of a page, 0 without pages */
constexpr int kSelect = 1;               /* tokens of a block, of which lists say which are seen, 0: no lists */
constexpr int kKvBits = 8;               /* of a stored element of K or V */

constexpr int kThreads = 256;            /* of a CTA */
constexpr int kCtasPerSm = 2;            /* CTAs that share an SM */
constexpr int kQueryRows = 64;           /* of Q, a multiple of 16 */
constexpr int kRowPitch = 272;           /* bytes from row to row in shared memory */
constexpr int kLists = 1;                /* of a query token and head of the keys */
constexpr int kStepTokens = 128;         /* KV tokens that are scored at once */
constexpr int kSharedQuery = 0;          /* rows of Q */
constexpr int kSharedKeys = 17408;       /* rows of K of a step */
constexpr int kSharedWeights = 52224;    /* weights of the heads */
constexpr int kSharedScales = 52480;     /* scales of the step's K */
constexpr int kSharedScores = 52992;     /* scores of a step, by list */

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
 * Waits for the launch in front of this one and its writes. Unless that lets this one begin earlier, it does when all
 * CTAs of the other have ended: CTAs that came earlier would share the SMs where work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}

/* The 32-bit address of a pointer into shared memory, as the instructions below take it. */
u32 shared_address(const void *pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

/*
 * Four 8 x 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8 and gets, in word m,
 * elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m.
 */
void load_matrices(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}

/* c += a b: 16 x 16 by 16 x 8 elements of bf16 over a warp, in the fragment layout of mma.m16n8k16. */
void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
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

/* The query tokens of a plan; none if the memory has another plan. */
int planned_tokens(const fi_plan_arrays &plan, u32 rows_id) {
  fi_plan_header &header = *plan.header;
  const u32 id = header.rows_id;
  if (id == rows_id)
    return header.tokens;
  tell_foreign_plan(header, id);
  return 0;
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

/* Which scale is the first of a token and head; `place` is that of the token's rows (see kv_row). */
long long scale_index(const fi_kv_args &kv, int place, int token, KvHead head) {
  return place * kv.scale_page_stride + (u32)token % kPageSize * kv.scale_token_stride + head * kv.scale_head_stride;
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

/* A pair of f16 as one of bf16, which has all values of e4m3. */
u32 pair_of_f16(u32 pair) {
  const float2 values = unpack_f16(pair);
  return pack_bf16(values.x, values.y);
}

/* Writes the 16 elements of a chunk of K. */
void store_chunk(u8 *row, int chunk, uint4 words) {
  const uint2 a = widen_four(words.x);
  const uint2 b = widen_four(words.y);
  const uint2 c = widen_four(words.z);
  const uint2 d = widen_four(words.w);
  uint4 *to = (uint4 *)row + 2 * chunk;
  to[0] = make_uint4(pair_of_f16(a.x), pair_of_f16(a.y), pair_of_f16(b.x), pair_of_f16(b.y));
  to[1] = make_uint4(pair_of_f16(c.x), pair_of_f16(c.y), pair_of_f16(d.x), pair_of_f16(d.y));
}

/* What the scores of a token are multiplied with. */
float key_scale(const fi_indexer_args &args, int place, int token, int head) {
  return args.k.scales[scale_index(args.k, place, token, head)];
}

constexpr int kKeyChunks = kHeadDim * kKvBits / 128; /* of 16 bytes of a row of K */

/* Brings K of `count` tokens from `first` on, and clears the rows after them, whose scores nobody asks for. */
void load_keys(const fi_indexer_args &args, u8 *shared, int kv_base, int head, int first, int count) {
  float *scales = (float *)(shared + kSharedScales);
  for (int i = (int)threadIdx.x; i < kStepTokens * kKeyChunks; i += kThreads) {
    const int row = i / kKeyChunks;
    const int chunk = i % kKeyChunks;
    uint4 words = make_uint4(0, 0, 0, 0);
    if (row < count) {
      const int place = kv_place(*args.plan.header, kv_base, first + row);
      words = ((const uint4 *)kv_row(args.k, place, first + row, head))[chunk];
      if (chunk == 0)
        scales[row] = key_scale(args, place, first + row, head);
    } else if (chunk == 0) {
      scales[row] = 0;
    }
    store_chunk(shared + kSharedKeys + row * kRowPitch, chunk, words);
  }
}

/* Brings the rows of Q of a token that meet a head of the keys; the rest of the last 16 are zeros. */
void load_rows(const fi_indexer_args &args, u8 *shared, int token, int head) {
  const u16 *q = (const u16 *)args.q + token * args.q_token_stride + (long long)head * kGroup * args.q_head_stride;
  for (int i = (int)threadIdx.x; i < kQueryRows * (kHeadDim / 8); i += kThreads) {
    const int row = i / (kHeadDim / 8);
    const int chunk = i % (kHeadDim / 8);
    uint4 words = make_uint4(0, 0, 0, 0);
    if (row < kGroup)
      words = ((const uint4 *)(q + row * args.q_head_stride))[chunk];
    ((uint4 *)(shared + kSharedQuery + row * kRowPitch))[chunk] = words;
  }
}

/* A fragment of 16 rows and 16 dims of Q: as mma has its first operand. */
void load_query_block(u32 (&words)[4], const u8 *shared, int rows, int dims) {
  const u32 row = 16 * rows + lane() % 16;
  load_matrices(words, shared_address(shared + kSharedQuery + row * kRowPitch + 32 * dims + lane() / 16 * 16));
}

/* Of 16 tokens and 16 dims of K: two second operands of mma, of 8 tokens each. */
void load_key_block(u32 (&words)[4], const u8 *shared, int dims) {
  const u32 row = 16 * warp() + lane() % 8 + lane() / 16 * 8;
  load_matrices(words, shared_address(shared + kSharedKeys + row * kRowPitch + 32 * dims + lane() / 8 % 2 * 16));
}

/* Products of 16 rows of Q with the warp's tokens: of rows l / 4 and l / 4 + 8, tokens 8 t + 2 (l % 4) and the next. */
void multiply(float (&products)[2][4], const u8 *shared, const u32 (&keys)[kHeadDim / 16][4], int rows) {
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; i++) {
    u32 q[4];
    load_query_block(q, shared, rows, i);
    mma(products[0], q, keys[i][0], keys[i][1]);
    mma(products[1], q, keys[i][2], keys[i][3]);
  }
}

/* The first of the tokens of this lane in a half of the warp's. */
int token_of(int half) {
  return 16 * warp() + 8 * half + 2 * (lane() % 4);
}

/* Brings Q of a token, and the weights of its heads; rows without a head weigh nothing. */
void load_query(const fi_indexer_args &args, u8 *shared, int token, int head) {
  float *weights = (float *)(shared + kSharedWeights);
  const float *from = args.weights + token * args.weight_stride + head * kGroup;
  load_rows(args, shared, token, head);
  for (int row = (int)threadIdx.x; row < kQueryRows; row += kThreads)
    weights[row] = row < kGroup ? from[row] : 0;
}

/* Adds what the products of 16 rows give to the sums of tokens: weights times what is above 0. */
void add_rows(float (&sums)[2][2], const u8 *shared, const float (&products)[2][4], int rows) {
  const float *weights = (const float *)(shared + kSharedWeights) + 16 * rows + lane() / 4;
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      sums[half][i] = fmaf(weights[0], fmaxf(products[half][i], 0), sums[half][i]);
      sums[half][i] = fmaf(weights[8], fmaxf(products[half][i + 2], 0), sums[half][i]);
    }
}

/* The score of each of the step's tokens: over all heads the sum of weight times what the product has above 0. */
void score_step(u8 *shared) {
  const float *scales = (const float *)(shared + kSharedScales);
  float *scores = (float *)(shared + kSharedScores);
  u32 keys[kHeadDim / 16][4];
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; i++)
    load_key_block(keys[i], shared, i);
  float sums[2][2] = {};
#pragma unroll 1
  for (int rows = 0; rows < kQueryRows / 16; rows++) {
    float products[2][4] = {};
    multiply(products, shared, keys, rows);
    add_rows(sums, shared, products, rows);
  }
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float sum = sums[half][i];
#pragma unroll
      for (int distance = 4; distance < 32; distance *= 2)
        sum += __shfl_xor_sync(kAllLanes, sum, distance);
      if (lane() < 4)
        scores[token_of(half) + i] = sum * scales[token_of(half) + i];
    }
}

constexpr u32 kForcedRank = 0xffffffffu; /* of what is taken in any case */

/* Whole numbers in the order of scores. NaN counts as -infinity, and 0 is one number. */
u32 rank_of(float score) {
  const u32 bits = __float_as_uint(score == score ? score + 0.0f : __uint_as_float(0xff800000u));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* How the ranks to take are found: they begin with `digits`, as far as it is known, or are larger. */
struct Search {
  u32 digits;
  u32 known; /* bits of it */
  int left;  /* how many of those that begin so are to be taken */
};

/* How many of a row's ranks that the search has not decided about have which digit. */
void count_digits(int *counts, const u32 *row, int blocks, const Search &search, int shift) {
  for (int i = (int)threadIdx.x; i < 256; i += kThreads)
    counts[i] = 0;
  __syncthreads();
  for (int i = (int)threadIdx.x; i < blocks; i += kThreads) {
    const u32 rank = row[i];
    if ((rank & search.known) == search.digits)
      atomicAdd(counts + (rank >> shift) % 256, 1);
  }
  __syncthreads();
}

/*
 * The search with the digit of the last rank to take, by one warp, whose lanes look at 8 digits each, the largest
 * first: the lane that has it writes.
 */
void choose_digit(Search &found, const int *counts, const Search &search, int shift) {
  const int top = 255 - 8 * (int)lane();
  int own = 0;
  for (int i = 0; i < 8; i++)
    own += counts[top - i];
  int before = own; /* and with those of the lanes before, whose digits are larger */
  for (int distance = 1; distance < 32; distance *= 2) {
    const int other = __shfl_up_sync(kAllLanes, before, distance);
    before += (int)lane() >= distance ? other : 0;
  }
  before -= own;
  if (before >= search.left || before + own < search.left)
    return;
  int digit = top;
  while (before + counts[digit] < search.left)
    before += counts[digit--];
  found = {search.digits | (u32)digit << shift, search.known | 255u << shift, search.left - before};
}

/* Finds the rank of place `count` of a row, from the best on, and how many of its equals are to be taken. */
Search find_last_rank(const u32 *row, int blocks, int count) {
  __shared__ int counts[256];
  __shared__ Search found;
  Search search = {0, 0, count};
  for (int shift = 24; shift >= 0; shift -= 8) {
    count_digits(counts, row, blocks, search, shift);
    if (warp() == 0)
      choose_digit(found, counts, search, shift);
    __syncthreads();
    search = found;
  }
  return search;
}

/* How many better ranks and equal ones there are. */
struct Counts {
  int better, equal;
};

/* How many there are in a warp's part of a row. */
Counts count_part(const u32 *row, int begin, int end, u32 last) {
  Counts counts = {0, 0};
  for (int i = begin; i < end; i += 32) {
    const bool is_there = i + (int)lane() < end;
    const u32 rank = is_there ? row[i + lane()] : 0;
    counts.better += __popc(__ballot_sync(kAllLanes, is_there && rank > last));
    counts.equal += __popc(__ballot_sync(kAllLanes, is_there && rank == last));
  }
  return counts;
}

/* Writes the numbers of a part's blocks that are taken, after those of the parts before it. */
void write_part(int *list, const u32 *row, int begin, int end, u32 last, Counts before, int equals) {
  for (int i = begin; i < end; i += 32) {
    const bool is_there = i + (int)lane() < end;
    const u32 rank = is_there ? row[i + lane()] : 0;
    const u32 better = __ballot_sync(kAllLanes, is_there && rank > last);
    const u32 equal = __ballot_sync(kAllLanes, is_there && rank == last);
    const u32 lower = (1u << lane()) - 1;
    const int place = before.better + __popc(better & lower);
    const int place_of_equals = before.equal + __popc(equal & lower);
    if (better >> lane() & 1 || (equal >> lane() & 1 && place_of_equals < equals))
      list[place + min(place_of_equals, equals)] = i + (int)lane();
    before.better += __popc(better);
    before.equal += __popc(equal);
  }
}

/* Writes the numbers of the best `count` of a row of more blocks, in rising order. All threads of the CTA take part. */
void take_best(const u32 *row, int blocks, int count, int *list) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Counts parts[kWarps];
  const Search search = find_last_rank(row, blocks, count);
  const int part = (blocks + kThreads - 1) / kThreads * 32; /* whole rounds of a warp */
  const int begin = min((int)warp() * part, blocks);
  const int end = min(begin + part, blocks);
  const Counts own = count_part(row, begin, end, search.digits);
  if (lane() == 0)
    parts[warp()] = own;
  __syncthreads();
  Counts before = {0, 0};
  for (int i = 0; i < (int)warp(); i++) {
    before.better += parts[i].better;
    before.equal += parts[i].equal;
  }
  write_part(list, row, begin, end, search.digits, before, search.left);
  __syncthreads();
}

/* A query token on one head of the keys, and what it may choose from. */
struct Task {
  int token;
  int kv_base;
  int head;
  int end;    /* after the last KV token that it sees */
  int blocks; /* that have such tokens */
};

Task task_of(const fi_indexer_args &args, long long number) {
  const fi_row row = args.plan.rows[number / args.kv_heads];
  const int end = max(row.position + 1, 0);
  const int blocks = (int)(((u32)end + kSelect - 1) / kSelect);
  return {row.token, row.kv_base, (int)(number % args.kv_heads), end, blocks};
}

/* A list of a task. */
int *list_of(const fi_indexer_args &args, const Task &task, int list) {
  return args.lists + task.token * args.list_token_stride + (task.head * kLists + list) * args.list_head_stride;
}

/* What every list has anyway: the first and the last blocks that the task sees. */
bool is_forced(const fi_indexer_args &args, const Task &task, int block) {
  return block < args.first_blocks || block >= task.blocks - args.last_blocks;
}

/*
 * Adds the scores of a step's tokens to those of their blocks, in order. A thread takes what the step has of a block;
 * what it had of it before is the larger score of the row, which another thread wrote a step ago.
 */
void keep_scores(const fi_indexer_args &args, const Task &task, const float *scores, u32 *rows, int first) {
  for (int i = (int)threadIdx.x; i < kLists * kStepTokens; i += kThreads) {
    const int begin = first + i % kStepTokens;
    const int place = (int)((u32)begin % kSelect);
    if (begin >= task.end || (place > 0 && begin > first))
      continue;
    const int count = min(min(kSelect - place, first + kStepTokens - begin), task.end - begin);
    u32 best = 0;
    for (int token = 0; token < count; token++)
      best = max(best, rank_of(scores[i + token]));
    const int block = (int)((u32)begin / kSelect);
    u32 *to = rows + (long long)(i / kStepTokens) * args.max_blocks + block;
    if (place > 0)
      best = max(best, *to);
    *to = is_forced(args, task, block) ? kForcedRank : best;
  }
}

/* The ranks of all blocks that a task sees. All threads of the CTA take part. */
void rank_blocks(const fi_indexer_args &args, const Task &task, u32 *rows) {
  extern __shared__ __align__(128) u8 shared[];
  load_query(args, shared, task.token, task.head);
  for (int first = 0; first < task.end; first += kStepTokens) {
    load_keys(args, shared, task.kv_base, task.head, first, min(kStepTokens, task.end - first));
    __syncthreads();
    score_step(shared);
    __syncthreads();
    keep_scores(args, task, (const float *)(shared + kSharedScores), rows, first);
  }
  __syncthreads();
}

/* A list of all blocks that there are, which is no longer than it may be. */
void list_all(const fi_indexer_args &args, const Task &task) {
  for (int i = (int)threadIdx.x; i < kLists * args.max_selected; i += kThreads) {
    const int entry = i % args.max_selected;
    list_of(args, task, i / args.max_selected)[entry] = entry < task.blocks ? entry : -1;
  }
}

/*
 * Chooses blocks of KV for query tokens: those of the best scores, of two equal ones the first. A CTA takes a query
 * token and a head of the keys at a time, and keeps the ranks of its blocks in rows of its own.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_indexer(const __grid_constant__ fi_indexer_args args) {
  wait_for_stream();
  const long long tasks = (long long)planned_tokens(args.plan, args.rows_id) * args.kv_heads;
  u32 *rows = args.ranks + (long long)blockIdx.x * kLists * args.max_blocks;
  for (long long number = blockIdx.x; number < tasks; number += gridDim.x) {
    const Task task = task_of(args, number);
    if (task.blocks <= args.max_selected) {
      list_all(args, task);
      continue;
    }
    rank_blocks(args, task, rows);
    for (int list = 0; list < kLists; list++)
      take_best(rows + (long long)list * args.max_blocks, task.blocks, args.max_selected, list_of(args, task, list));
  }
}
