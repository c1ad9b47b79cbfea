/* flashjit: plan intervals=2 members=2 */

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

/* How many CTAs make a plan, and how many plans a launch makes at most. */
#define FI_PLAN_CTAS 64
#define FI_PLANS_AT_ONCE 8

/*
 * What a launch of the plan kernel does. Most plans take one launch, FI_STAGE_SHARE; where page ids are checked another
 * one comes first, and for batches whose requests and tiles shared memory does not hold two more.
 */
#define FI_STAGE_CHECK 0 /* the lengths of requests, less those with page ids out of range */
#define FI_STAGE_TILES 1 /* the first tile of each request */
#define FI_STAGE_STEPS 2 /* the first step of each tile */
#define FI_STAGE_SHARE 3

/* How many kernels of more and more rows a batch may be divided among. */
#define FI_MOST_MEMBERS 4

/* What a request costs one of them, in picoseconds of an SM on one KV head. */
struct fi_member {
  int tile_tokens; /* query tokens of a tile */
  int tile_rows;   /* as in fi_plan_args of its plan, as are these: */
  int step_tokens;
  int start_tokens;
  int unit_steps;
  int ctas;
  float token_cost;  /* of a KV token of a tile */
  float tile_cost;   /* besides */
  float launch_cost; /* of the kernel's work, if it has any: of all SMs */
};

struct fi_plan_args {
  struct fi_plan_arrays plan;
  int *checked; /* [requests] from FI_STAGE_CHECK: KV tokens, or -1 - i where page i is out of range; null: none */
  int *second_checked; /* likewise of a second KV */
  int *tile_begin;     /* [requests + 1] and */
  int *step_begin;     /* [tiles + 1] from the stages between; null: they are in shared memory */
  const int *q_indptr;
  const int *kv_len;
  const int *kv_indptr;
  const int *last_page_len;
  const int *kv_start;
  const int *ranges; /* [][2] */
  const int *range_indptr;
  const unsigned *mask_bits;
  const long long *mask_offsets;
  const int *selected_len; /* entries of the lists of each query token; null: max_selected */
  const int *shared;       /* [requests][2] what is told of prefixes: requests, and the tokens they have in common */
  long long mask_stride;
  const void *page_table;
  long long page_table_stride;
  const int *second_kv_len; /* of a second KV, which lists are of; null: there is none */
  const void *second_page_table;
  long long second_page_table_stride;
  int most_second_len; /* tokens that a row of its page table has room for */
  int second_page_size;
  int second_page_count;
  int requests;
  int csr;       /* kv_base is kv_indptr[request] */
  int page_size; /* 0: none */
  int page_ids;  /* bytes of an id */
  int page_count;
  int select;       /* tokens of a block of lists; 0: there are none */
  int max_selected; /* entries of a list at most */
  int causal;
  int intervals;   /* rows see what interval_of of templates/plan/seen.cuh says, by these */
  int window_left; /* 0: none; as all of them */
  int window_right;
  int chunk;
  int kv_heads;    /* each once for every tile that has a share of its query heads */
  int head_tiles;  /* such tiles of a KV head, which read the same KV */
  int tile_tokens; /* query tokens of a tile */
  int tile_rows;   /* partial rows of a tile */
  int group;
  int step_tokens;  /* KV tokens of a step, by which the plan counts */
  int start_tokens; /* steps begin at multiples of so many */
  int fixed;        /* every step is an item; 0: even shares */
  int ctas;
  int sm_ctas;    /* of them that share an SM */
  int claims;     /* 1: CTAs can claim items, too */
  int max_tokens; /* bounds of the workspace */
  int max_kv_len;
  int names_requests;  /* 1: plan.requests is written */
  int max_sections;    /* 1: every head's KV is read once */
  int heads_apart;     /* 0: the heads of a tile follow each other; 1: the tiles of a head do */
  int section_steps;   /* steps of KV that stay in L2: a section takes about so many */
  int least_piece;     /* steps: a cut nearer to a unit's end, or than half a share, moves there; 1: none does */
  int share_steps;     /* steps that a share has at least, if units have so many for several */
  int unit_steps;      /* steps that a unit costs besides those of its KV */
  int merges_together; /* 1: CTAs merge units together, a slice of the rows at a time */
  int share_tokens;    /* prefixes that requests share count in multiples of so many tokens; 0: none are looked for */
  int member;          /* whose plan it is, */
  int member_count;    /* of how many; the batch's other requests are theirs */
  int first_is_least;  /* a request that a tile of the first holds costs no member less */
  int first_unit;      /* where units and .. */
  int first_part;      /* .. rows of partials are that it has alone, if there are others in the same memory */
  struct fi_member members[FI_MOST_MEMBERS];
  unsigned id; /* as in the header */
  unsigned rows_id;
};

struct fi_plans_args {
  int stage;
  int count;
  struct fi_plan_args plans[FI_PLANS_AT_ONCE];
};

constexpr int kThreads = 256;            /* of a CTA */
constexpr int kCtasPerSm = 1;            /* CTAs that share an SM */

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

/* Sum of the warp's values up to and including this lane's. */
int warp_prefix(int value) {
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int before = __shfl_up_sync(kAllLanes, value, distance);
    if ((int)lane() >= distance)
      value += before;
  }
  return value;
}

/*
 * begin[i] = sum of count(0) .. count(i - 1) for i = first .. last - 1; returns what begin[last] would be. `first` is a
 * multiple of kThreads. All threads of the CTA take part.
 */
template <typename Count> int prefix_sum_of_range(int *begin, int first, int last, Count count) {
  __shared__ int warp_sums[kThreads / 32];
  int total = 0;
  int value = 0;
#pragma unroll 1
  for (int base = 0; base < last; base += kThreads) {
    const int i = base + (int)threadIdx.x;
    value += i < last ? count(i) : 0;
    if (base + kThreads < first)
      continue; /* what is before the range is summed at its end */
    const int sum = warp_prefix(value);
    if (lane() == 31)
      warp_sums[warp()] = sum;
    __syncthreads();
    int before = total;
#pragma unroll
    for (u32 w = 0; w < kThreads / 32; w++) {
      before += w < warp() ? warp_sums[w] : 0;
      total += warp_sums[w];
    }
    if (i >= first && i < last)
      begin[i] = before + sum - value;
    value = 0;
    __syncthreads();
  }
  return total;
}

/* The last i with begin[i] <= value, where begin rises and begin[0] <= value < begin[size]. */
int find_last(const int *begin, int size, int value) {
  int low = 0;
  int high = size;
#pragma unroll 1
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (begin[middle] <= value)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* Index of a request's first query token; requests themselves when every one has a single token. */
int first_token(const fi_plan_args &args, int request) {
  return max(0, min(args.q_indptr ? args.q_indptr[request] : request, args.max_tokens));
}

int query_len_of(const fi_plan_args &args, int request) {
  return max(0, first_token(args, request + 1) - first_token(args, request));
}

/* Tokens of ragged KV, or entries of the page table, that a request has in the list of all. */
long long listed_of(const fi_plan_args &args, int request) {
  return (long long)args.kv_indptr[request + 1] - args.kv_indptr[request];
}

/* KV tokens of a request as the caller gives them. */
long long given_kv_len(const fi_plan_args &args, int request) {
  if (args.kv_len)
    return args.kv_len[request];
  const long long listed = listed_of(args, request);
  if (!args.last_page_len)
    return listed;
  return listed > 0 ? (listed - 1) * args.page_size + args.last_page_len[request] : 0;
}

/* The most that a request may have: the bound of all, and what the list has of it. */
long long most_kv_len(const fi_plan_args &args, int request) {
  if (!args.csr)
    return args.max_kv_len;
  if (args.kv_indptr[request] < 0)
    return 0;
  return min((long long)args.max_kv_len, listed_of(args, request) * max(1, args.page_size));
}

/* The KV tokens that count. */
int sane_kv_len(const fi_plan_args &args, int request) {
  return (int)max(0ll, min(given_kv_len(args, request), most_kv_len(args, request)));
}

int kv_len_of(const fi_plan_args &args, int request) {
  return args.checked ? max(0, args.checked[request]) : sane_kv_len(args, request);
}

int kv_base_of(const fi_plan_args &args, int request) {
  return args.csr ? args.kv_indptr[request] : request;
}

/* An entry of a page table. */
long long id_at(const fi_plan_args &args, const void *table, long long entry) {
  return args.page_ids == 8 ? ((const long long *)table)[entry] : ((const int *)table)[entry];
}

/* Pages of so many tokens, up to INT_MAX. */
int pages_of(int tokens, int page_size) {
  return tokens / page_size + (tokens % page_size > 0 ? 1 : 0);
}

/* Page `number` of a request. */
long long page_id(const fi_plan_args &args, int request, int number) {
  const long long entry = number + (args.csr ? args.kv_indptr[request] : request * args.page_table_stride);
  return id_at(args, args.page_table, entry);
}

/* The first page from `first` on whose id is not below `count`; `end` if there is none. All lanes of a warp look. */
template <typename Id> int first_bad_page(int first, int end, int count, Id id) {
  int first_bad = end;
  for (u32 page = (u32)first + lane(); page < (u32)end && first_bad == end; page += 32) {
    const long long found = id((int)page);
    if (found < 0 || found >= count)
      first_bad = (int)page;
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    first_bad = min(first_bad, __shfl_xor_sync(kAllLanes, first_bad, distance));
  return first_bad;
}

/* What the query token at a place of its request's KV sees by the mask alone. */
fi_interval seen_by_mask(const fi_plan_args &args, int kv_len, int place) {
  return {0, args.causal ? min(kv_len, place + 1) : kv_len};
}

/* First KV token of a request that is seen, as the caller gives it. */
int given_kv_start(const fi_plan_args &args, int request) {
  return args.kv_start ? args.kv_start[request] : 0;
}

/* The one that counts. */
int kv_start_of(const fi_plan_args &args, int request) {
  return max(0, given_kv_start(args, request));
}

/* The last range of a request that begins at a place or before it; the number of its first one if there is none. */
int range_at(const fi_plan_args &args, int request, int place) {
  const int first = args.range_indptr[request];
  int low = first;
  int high = args.range_indptr[request + 1];
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    if (args.ranges[2 * middle] <= place)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* Adds the range that a place lies in to what it sees. */
void add_range(const fi_plan_args &args, int request, int kv_len, int place, fi_interval &seen) {
  if (args.range_indptr[request] >= args.range_indptr[request + 1])
    return;
  const int range = range_at(args, request, place);
  const int begin = args.ranges[2 * range];
  const int end = args.ranges[2 * range + 1];
  if (place < begin || place >= end)
    return;
  seen.first = min(seen.first, begin);
  seen.end = max(seen.end, min(kv_len, end));
}

/* What the query token at a place of its request's KV sees, by windows, chunks, ranges and the request's start. */
fi_interval interval_of(const fi_plan_args &args, int request, int kv_len, int place) {
  fi_interval seen = seen_by_mask(args, kv_len, place);
  if (!args.intervals)
    return seen;
  const int start = kv_start_of(args, request);
  if (args.window_left)
    seen.first = max(seen.first, place - args.window_left + 1);
  if (args.window_right)
    seen.end = (int)min((long long)seen.end, (long long)place + args.window_right);
  if (args.chunk && place < start)
    seen.end = min(seen.end, start);
  else if (args.chunk) {
    const int chunk = start + (place - start) / args.chunk * args.chunk;
    seen.first = max(seen.first, chunk);
    seen.end = (int)min((long long)seen.end, (long long)chunk + args.chunk);
  }
  if (args.ranges)
    add_range(args, request, kv_len, place, seen);
  seen.first = max(seen.first, start);
  return seen;
}

/* The first of a request's KV tokens that one of its query tokens sees: that of the first. */
int first_seen_of(const fi_plan_args &args, int request, int kv_len) {
  return args.intervals ? max(0, interval_of(args, request, kv_len, kv_len - query_len_of(args, request)).first) : 0;
}

/* The number of a request's first range that is empty, negative or not after the one before it; -1 if none is. */
int bad_range_of(const fi_plan_args &args, int request) {
  if (!args.ranges)
    return -1;
  int before = 0;
  for (int range = args.range_indptr[request]; range < args.range_indptr[request + 1]; range++) {
    if (args.ranges[2 * range] < before || args.ranges[2 * range + 1] <= args.ranges[2 * range])
      return range;
    before = args.ranges[2 * range + 1];
  }
  return -1;
}

/* The bits of a query token of a request, by the KV tokens of the request. */
const unsigned *bits_of(const fi_plan_args &args, int request, int token) {
  const long long stride = args.mask_stride ? args.mask_stride : (kv_len_of(args, request) + 31) / 32;
  return args.mask_bits + args.mask_offsets[request] + (token - first_token(args, request)) * stride;
}

/* What is wrong with a request, as fi_fault of flashjit.h; kind is 0 if nothing is. */
struct Fault {
  u32 kind;
  long long value;
};

constexpr u32 kFaultQIndptr = 1;

constexpr u32 kFaultTokens = 2;

constexpr u32 kFaultKvLen = 3;

constexpr u32 kFaultKvStart = 4;

constexpr u32 kFaultPage = 5;

constexpr u32 kFaultLastPage = 7;

constexpr u32 kFaultRange = 8;

constexpr u32 kFaultSecondLen = 11;

constexpr u32 kFaultSecondPage = 14;

/* Whether that of a request is not one that there may be. */
bool has_bad_second_len(const fi_plan_args &args, int request) {
  return args.second_kv_len && (args.second_kv_len[request] < 0 || args.second_kv_len[request] > args.most_second_len);
}

int sane_second_len(const fi_plan_args &args, int request) {
  return max(0, min(args.second_kv_len[request], args.most_second_len));
}

/* The tokens of it that count: none where a page of the request is out of range. */
int second_len_of(const fi_plan_args &args, int request) {
  if (args.checked && args.checked[request] < 0)
    return 0;
  return args.second_checked ? max(0, args.second_checked[request]) : sane_second_len(args, request);
}

/* Page `number` of it. */
long long second_page_id(const fi_plan_args &args, int request, int number) {
  return id_at(args, args.second_page_table, number + request * args.second_page_table_stride);
}

/* A warp looks at all pages of it: which are listed is not known. */
void check_second_pages(const fi_plan_args &args, int request) {
  if (!args.second_checked)
    return;
  const int tokens = sane_second_len(args, request);
  const int pages = query_len_of(args, request) > 0 ? pages_of(tokens, args.second_page_size) : 0;
  const auto id = [&](int page) { return second_page_id(args, request, page); };
  const int first_bad = first_bad_page(0, pages, args.second_page_count, id);
  if (lane() == 0)
    args.second_checked[request] = first_bad < pages ? -1 - first_bad : tokens;
}

/* What is wrong with a second KV. */
Fault second_fault_of(const fi_plan_args &args, int request) {
  if (has_bad_second_len(args, request))
    return {kFaultSecondLen, args.second_kv_len[request]};
  if (args.second_checked && args.second_checked[request] < 0)
    return {kFaultSecondPage, second_page_id(args, request, -1 - args.second_checked[request])};
  return {0, 0};
}

/*
 * Whether every query token belongs to one request at most. Else tiles would be more than there is room for, and
 * nothing is planned. All threads of the CTA take part.
 */
bool is_sound(const fi_plan_args &args) {
  if (!args.q_indptr)
    return true;
  int falls = 0;
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    falls |= args.q_indptr[request] < 0 || args.q_indptr[request + 1] < args.q_indptr[request];
  return !__syncthreads_or(falls);
}

Fault fault_of(const fi_plan_args &args, int request) {
  const int q_begin = args.q_indptr ? args.q_indptr[request] : request;
  const int q_end = args.q_indptr ? args.q_indptr[request + 1] : request + 1;
  const long long kv_len = given_kv_len(args, request);
  const int kv_start = given_kv_start(args, request);
  if (q_begin < 0 || q_end < q_begin)
    return {kFaultQIndptr, q_begin < 0 ? q_begin : q_end};
  if (q_end > args.max_tokens)
    return {kFaultTokens, q_end};
  if (args.last_page_len && listed_of(args, request) > 0 &&
      (args.last_page_len[request] < 1 || args.last_page_len[request] > args.page_size))
    return {kFaultLastPage, args.last_page_len[request]};
  if (kv_len < 0 || kv_len > most_kv_len(args, request))
    return {kFaultKvLen, kv_len};
  if (kv_start < 0 || kv_start > kv_len)
    return {kFaultKvStart, kv_start};
  const int bad_range = bad_range_of(args, request);
  if (bad_range >= 0)
    return {kFaultRange, bad_range};
  if (args.checked && args.checked[request] < 0)
    return {kFaultPage, page_id(args, request, -1 - args.checked[request])};
  return second_fault_of(args, request);
}

/*
 * A warp looks at a request: its KV tokens, or which is the first out of range of its pages from the first that is seen
 * on. Attention reads what is seen, append writes the query tokens, which may be before it.
 */
void check_pages_of(const fi_plan_args &args, int request) {
  const int kv_len = sane_kv_len(args, request);
  const int pages = query_len_of(args, request) > 0 ? pages_of(kv_len, args.page_size) : 0;
  const int written = max(0, kv_len - query_len_of(args, request));
  const int first = min(first_seen_of(args, request, kv_len), written) / args.page_size;
  const auto id = [&](int page) { return page_id(args, request, page); };
  const int first_bad = first_bad_page(first, pages, args.page_count, id);
  if (lane() == 0)
    args.checked[request] = first_bad < pages ? -1 - first_bad : kv_len;
}

/* Warps take requests one after the other. */
void check_pages(const fi_plan_args &args) {
  const int warps = FI_PLAN_CTAS * kThreads / 32;
  for (int request = (int)(warp() * FI_PLAN_CTAS + blockIdx.x % FI_PLAN_CTAS); request < args.requests;
       request += warps) {
    if (args.checked)
      check_pages_of(args, request);
    check_second_pages(args, request);
  }
}

/* Query tokens of a request, and the KV that the middle one sees, which is what they see on average. */
struct Asked {
  int tokens;
  int seen;
  int kv_len;
};

Asked asked_of(const fi_plan_args &args, int request) {
  const int tokens = query_len_of(args, request);
  const int kv_len = kv_len_of(args, request);
  const fi_interval middle = interval_of(args, request, kv_len, kv_len - (tokens + 1) / 2);
  return {tokens, max(0, middle.end - max(0, middle.first)), kv_len};
}

/* What a request costs a member: its tiles, each with the KV that some of its tokens see. */
float cost_of(const Asked &asked, const fi_member &member) {
  const int tiles = (asked.tokens + member.tile_tokens - 1) / member.tile_tokens;
  const int seen = min(asked.kv_len, asked.seen + min(asked.tokens, member.tile_tokens) / 2);
  return (float)tiles * ((float)seen * member.token_cost + member.tile_cost);
}

struct Costs {
  float of[FI_MOST_MEMBERS];
};

Costs costs_of(const fi_plan_args &args, int request) {
  const Asked asked = asked_of(args, request);
  Costs costs;
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    costs.of[m] = m < args.member_count ? cost_of(asked, args.members[m]) : 0.f;
  return costs;
}

/* The cheapest for a request, of a set of members; of equal ones that of the fewest rows. */
int choice_of(const Costs &costs, u32 set) {
  int best = -1;
  float least = 0;
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    if ((set >> m & 1) && (best < 0 || costs.of[m] < least)) {
      best = m;
      least = costs.of[m];
    }
  return best;
}

constexpr u32 kSets = 1 << FI_MOST_MEMBERS;

constexpr float kNoCost = 3.4e38f; /* more than any */

/* Adds what a request costs with each set of members: the least of theirs. */
void add_request(float *sums, const Costs &costs) {
#pragma unroll
  for (u32 set = 1; set < kSets; set++) {
    float least = kNoCost;
#pragma unroll
    for (u32 m = 0; m < FI_MOST_MEMBERS; m++)
      least = set >> m & 1 ? min(least, costs.of[m]) : least;
    sums[set] += least;
  }
}

/*
 * The warp's sum of number lane % kSets: with each exchange a lane keeps half of its numbers and gives the others to
 * the lane that keeps them.
 */
float sum_of_lane(float *sums) {
#pragma unroll
  for (u32 step = 1; step <= FI_MOST_MEMBERS; step++) {
    const u32 half = kSets >> step;
    const bool is_upper = lane() & half;
#pragma unroll
    for (u32 i = 0; i < kSets / 2; i++) {
      if (i >= half)
        continue; /* bounds of loops must be constants, so that sums are in registers */
      const float given = is_upper ? sums[i] : sums[i + half];
      const float kept = is_upper ? sums[i + half] : sums[i];
      sums[i] = kept + __shfl_xor_sync(kAllLanes, given, half);
    }
  }
  return sums[0] + __shfl_xor_sync(kAllLanes, sums[0], kSets);
}

/* What the batch costs with the set of members of number lane % kSets. All CTAs get the same: the order is fixed. */
float sum_batch(const fi_plan_args &args) {
  __shared__ float warp_sums[kThreads / 32][kSets];
  float sums[kSets] = {};
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    add_request(sums, costs_of(args, request));
  const u32 set = lane() % kSets;
  const float own = sum_of_lane(sums);
  if (lane() < kSets)
    warp_sums[warp()][set] = own;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (u32 w = 0; w < kThreads / 32; w++)
    sum += warp_sums[w][set];
  return sum;
}

/* Those with which the batch is done first; of equal sets the first. All threads of the CTA take part. */
u32 cheapest_set(const fi_plan_args &args) {
  u32 best = lane() % kSets;
  float least = sum_batch(args);
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    least += best >> m & 1 ? args.members[m].launch_cost : 0.f;
  if (best == 0 || best >> args.member_count)
    least = kNoCost;
#pragma unroll
  for (u32 distance = kSets / 2; distance > 0; distance /= 2) {
    const float cost = __shfl_xor_sync(kAllLanes, least, distance);
    const u32 set = __shfl_xor_sync(kAllLanes, best, distance);
    if (cost < least || (cost == least && set < best)) {
      least = cost;
      best = set;
    }
  }
  return best;
}

/* Whether a tile of the first member holds each request, and no other does it for less. */
bool are_short(const fi_plan_args &args) {
  if (!args.first_is_least)
    return false;
  int longer = 0;
  if (args.q_indptr)
    for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
      longer |= query_len_of(args, request) > args.members[0].tile_tokens;
  return !__syncthreads_or(longer);
}

/* The members that requests are divided among. With fixed pieces all, so that nothing depends on the batch's rest. */
u32 members_of_batch(const fi_plan_args &args) {
  const u32 all = (1u << args.member_count) - 1;
  if (args.fixed || args.member_count == 1)
    return all;
  return are_short(args) ? 1 : cheapest_set(args);
}

/* Whether every request has one token, and so one tile, of the plan's kernel: then both have one number. */
bool has_tile_each(const fi_plan_args &args) {
  return !args.q_indptr && (args.member_count == 1 || (args.first_is_least && args.member == 0));
}

/* Whether a request is the plan's own. Mostly one member has all. */
bool is_own(const fi_plan_args &args, int request, u32 members) {
  if ((members & (members - 1)) == 0)
    return members >> args.member & 1;
  return choice_of(costs_of(args, request), members) == args.member;
}

int tiles_of(const fi_plan_args &args, int request) {
  return (query_len_of(args, request) + args.tile_tokens - 1) / args.tile_tokens;
}

/* Tiles of a request, if it is the plan's own. `members` are those of the batch. */
int own_tiles_of(const fi_plan_args &args, int request, u32 members) {
  return is_own(args, request, members) ? tiles_of(args, request) : 0;
}

/* Consecutive query tokens of one request, the KV that some of them see, and what all of them do. */
struct Tile {
  int kv_base;
  int kv_begin;
  int kv_end;
  int inner_begin;
  int inner_end;
  int kv_len; /* of the request */
  int first; /* token */
  int count;
};

/* Entries of the lists of a query token that count. */
int entries_of(const fi_plan_args &args, int token) {
  return args.selected_len ? max(0, min(args.selected_len[token], args.max_selected)) : args.max_selected;
}

/*
 * Takes the tokens of the list for the KV of a tile, which is one query token; what that sees stays in inner_begin and
 * inner_end. If the list is of a second KV, its tokens come after those that the tile sees of the first.
 */
void take_list(const fi_plan_args &args, int request, Tile &tile) {
  if (args.select == 0)
    return;
  const int listed = entries_of(args, tile.first) * args.select;
  const int seen = tile.kv_end - tile.kv_begin;
  tile.kv_begin = 0;
  tile.kv_end = args.second_kv_len ? seen + listed : seen > 0 ? listed : 0;
  if (args.second_kv_len)
    tile.kv_len = second_len_of(args, request);
}

/* What an item says of what its rows see: of lists what they see of the KV, whatever part of the list it has. */
fi_interval inner_of(const fi_plan_args &args, const Tile &tile, int kv_begin, int kv_end) {
  if (args.select > 0)
    return {tile.inner_begin, tile.inner_end};
  return {max(kv_begin, tile.inner_begin), min(kv_end, tile.inner_end)};
}

/* Tile `number` of a request. */
Tile tile_of_request(const fi_plan_args &args, int request, int number) {
  const int begin = first_token(args, request);
  const int end = first_token(args, request + 1);
  const int kv_len = kv_len_of(args, request);
  Tile result;
  result.kv_base = kv_base_of(args, request);
  result.first = begin + number * args.tile_tokens;
  result.count = min(args.tile_tokens, end - result.first);
  const int place = kv_len - (end - result.first);
  const fi_interval by_first = interval_of(args, request, kv_len, place);
  const fi_interval by_last = interval_of(args, request, kv_len, place + result.count - 1);
  const bool seen = max(0, by_first.first) < by_last.end;
  result.kv_begin = seen ? max(0, by_first.first) : 0;
  result.kv_end = seen ? by_last.end : 0;
  result.inner_begin = max(0, by_last.first);
  result.inner_end = max(0, by_first.end);
  result.kv_len = kv_len;
  take_list(args, request, result);
  return result;
}

Tile tile_of(const fi_plan_args &args, const int *tile_begin, int tile) {
  const int request = has_tile_each(args) ? tile : find_last(tile_begin, args.requests, tile);
  return tile_of_request(args, request, tile - tile_begin[request]);
}

/* Where the steps of a tile's KV begin. */
int first_of_steps(const fi_plan_args &args, const Tile &tile) {
  return tile.kv_begin / args.start_tokens * args.start_tokens;
}

/*
 * Steps of a tile on one head: those of its KV, one if it has none, in which its output is written; and before
 * them what beginning and ending a unit costs.
 */
int steps_of(const fi_plan_args &args, const Tile &tile) {
  const int tokens = tile.kv_end - first_of_steps(args, tile);
  return args.unit_steps + max(1, (tokens + args.step_tokens - 1) / args.step_tokens);
}

/* The request of a query token. */
int request_of(const fi_plan_args &args, int token) {
  return args.q_indptr ? find_last(args.q_indptr, args.requests, token) : token;
}

/* The record of a query token. Those before the first request's belong to nobody: they see nothing and are nowhere. */
fi_row row_of_token(const fi_plan_args &args, int token) {
  if (token < first_token(args, 0))
    return {token, -1, 0, 0};
  const int request = request_of(args, token);
  const int left = first_token(args, request + 1) - token;
  const int place = (token - first_token(args, request)) % args.tile_tokens;
  return {token, kv_len_of(args, request) - left, kv_base_of(args, request), place * args.group};
}

/* The bits of a query token; null if it belongs to nobody. */
const unsigned *bits_of_token(const fi_plan_args &args, int token) {
  return token < first_token(args, 0) ? nullptr : bits_of(args, request_of(args, token), token);
}

/* What a query token sees; nothing if it belongs to nobody. */
fi_interval interval_of_token(const fi_plan_args &args, int token) {
  if (token < first_token(args, 0))
    return {0, 0};
  const int request = request_of(args, token);
  const int kv_len = kv_len_of(args, request);
  return interval_of(args, request, kv_len, kv_len - (first_token(args, request + 1) - token));
}

/* Most partials of a unit that are not merged in groups. */
constexpr int kMostAtOnce = 40;

/* The tiles of the batch, and the line of their steps on one head. */
struct Line {
  int *tile_begin; /* [requests + 1] first tile of each request */
  int *step_begin; /* [tiles + 1] first step of each tile, on one head */
  int tiles;
  int steps;
};

/*
 * Some of the heads, and the line of all their units' steps, cut into shares: CTA s has steps cuts[s] .. cuts[s + 1].
 */
struct Section {
  int number;
  int count; /* of sections */
  int first_head;
  int heads;
  int steps;
  int shares; /* the CTAs after them have none */
  int pieces; /* shares of each unit, where all that are as long as the first begin and end with shares; else 0 */
  float shares_a_step;
  const int *cuts;
};

/* One tile on one head: its place among the section's units, and its steps in the section's line. */
struct Unit {
  int number;
  int tile;
  int head; /* within the section */
  int begin;
  int end;
};

/*
 * The first of the elements that this thread of the grid works on, and the way to its next one. Consecutive warps of
 * elements go to different CTAs, since it is their scattered writes that take time.
 */
int first_index() {
  return (int)((warp() * FI_PLAN_CTAS + blockIdx.x % FI_PLAN_CTAS) * 32 + lane());
}

constexpr int kIndexStride = FI_PLAN_CTAS * kThreads;

/*
 * The order of units. Where tiles of a head share its KV, and where heads share a line of memory, all tiles of a head
 * follow each other, so that the CTAs of several heads are at the same tokens at a time; else all heads of a tile do.
 */
Unit unit_of(const fi_plan_args &args, const Line &line, const Section &section, int tile, int head) {
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  Unit unit;
  unit.tile = tile;
  unit.head = head;
  if (args.heads_apart) {
    unit.number = head * line.tiles + tile;
    unit.begin = head * line.steps + line.step_begin[tile];
  } else {
    unit.number = tile * section.heads + head;
    unit.begin = line.step_begin[tile] * section.heads + head * steps;
  }
  unit.end = unit.begin + steps;
  return unit;
}

Unit unit_at(const fi_plan_args &args, const Line &line, const Section &section, int number) {
  if (args.heads_apart)
    return unit_of(args, line, section, number % line.tiles, number / line.tiles);
  return unit_of(args, line, section, number / section.heads, number % section.heads);
}

/* The unit that a step belongs to. */
Unit unit_of_step(const fi_plan_args &args, const Line &line, const Section &section, int step) {
  if (args.heads_apart)
    return unit_of(args, line, section, find_last(line.step_begin, line.tiles, step % line.steps), step / line.steps);
  const int tile = find_last(line.step_begin, line.tiles, step / section.heads);
  const int steps = line.step_begin[tile + 1] - line.step_begin[tile];
  return unit_of(args, line, section, tile, (step - line.step_begin[tile] * section.heads) / steps);
}

/*
 * Steps of a share at least. In small batches some CTAs are left out: one CTA merges all pieces of a unit, which takes
 * longer with each, so that units are cut into so many pieces only that each is of a few steps; or, if these are enough
 * to be merged in groups, as finely as can be.
 */
int least_share(const fi_plan_args &args, const Section &section, int units) {
  constexpr int kFewPieces = 8;
  if (min(args.ctas, section.steps) > kMostAtOnce * units)
    return 1;
  return max(1, min(args.share_steps, section.steps / (units * kFewPieces)));
}

/*
 * Shares of a section: one a CTA. Where units are on average as long as the first, as in most steps of decoding, and
 * shares are short, up to a tenth fewer, if each share then is some whole units or each unit some whole shares: fewer
 * partials are worth more than the last CTAs. Short units are not cut at all where all SMs but a tenth have one then.
 * With several sections all have the same shares, however many heads they have, since a CTA's share of one leads to
 * that of the next.
 */
int shares_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (units == 0)
    return 0;
  const int most = min(args.ctas, max(1, section.steps / least_share(args, section, units)));
  constexpr int kShortShare = 160; /* steps */
  constexpr int kShortUnit = 32;
  if (section.count > 1 || section.steps > most * kShortShare ||
      line.steps != line.tiles * line.step_begin[1])
    return most;
  const int units_a_share = (units + most - 1) / most;
  const int even = units <= most ? most - most % units : units % units_a_share == 0 ? units / units_a_share : most;
  if (even <= most - most / 10)
    return most;
  const bool fills = units * args.sm_ctas >= args.ctas - args.ctas / 10;
  return fills && line.steps <= line.tiles * kShortUnit ? min(even, units) : even;
}

/* A section of some heads, whose line has so many steps on each, but for its shares. */
Section section_of_heads(int steps, int first_head, int heads) {
  Section section;
  section.number = 0;
  section.count = 1;
  section.first_head = first_head;
  section.heads = heads;
  section.steps = steps * heads;
  section.pieces = 0;
  section.shares = 0;
  section.shares_a_step = 0;
  section.cuts = nullptr;
  return section;
}

/* Gives a section its shares, whose cuts are or will be in `cuts`. */
void divide_section(Section &section, int shares, const int *cuts) {
  section.shares = shares;
  section.shares_a_step = (float)shares / (float)section.steps;
  section.cuts = cuts;
}

/* Where a share begins: an even part of the line. */
int even_cut(const Section &section, int share) {
  return share * (section.steps / section.shares) + min(share, section.steps % section.shares);
}

/*
 * Index of the item that is the piece of a unit in a share: u + c of the section for unit u in share c, since going
 * along the line u or c grows by one at every cut and at every unit's end.
 */
int item_index(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int share) {
  return section.first_head * line.tiles + section.number * args.ctas + unit.number + share;
}

/*
 * Sections are groups of KV heads that fit in L2: the CTAs of a launch work on one group at a time, so that
 * tiles of the same head find it there.
 */
int sections_wanted(const fi_plan_args &args, const Line &line) {
  __shared__ int kv_steps;
  if (threadIdx.x == 0)
    kv_steps = 0;
  __syncthreads();
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    if (line.tile_begin[request + 1] > line.tile_begin[request])
      atomicAdd(&kv_steps, kv_len_of(args, request) / args.step_tokens);
  __syncthreads();
  const int kv_heads = args.kv_heads / args.head_tiles;
  return max(1, min(kv_steps * kv_heads / args.section_steps, kv_heads));
}

/*
 * Sections of shares. Batches of few rows read everything once and have one, as have batches so small that more cuts
 * would cost more than they save.
 */
int sections_of(const fi_plan_args &args, const Line &line) {
  if (args.max_sections == 1)
    return 1;
  constexpr int kLeastPieces = 16; /* of a share in a section */
  const int worth = line.steps * args.kv_heads / (args.ctas * args.least_piece * kLeastPieces);
  return max(1, min(min(sections_wanted(args, line), worth), args.max_sections));
}

/*
 * Whether units are not cut, of which there are not more than CTAs: where the longest is hardly longer than an even
 * share, partials would take longer than the steps that cuts save.
 */
bool stay_whole(const fi_plan_args &args, const Line &line, const Section &section) {
  constexpr int kWorth = 4; /* steps */
  const int even = section.steps / args.ctas;
  int longest = 0;
  for (int tile = 0; tile < line.tiles; tile++)
    longest = max(longest, line.step_begin[tile + 1] - line.step_begin[tile]);
  return longest - even <= min(kWorth, longest / 8);
}

/*
 * Shares of each unit: one where they stay whole; else of those that there are for it so many that the longest is as
 * long as with all of them, where its partials are merged by all of its CTAs; 0: units and shares end anywhere.
 */
int pieces_of(const fi_plan_args &args, const Line &line, const Section &section) {
  const int units = line.tiles * section.heads;
  if (section.count > 1 || units == 0 || units > args.ctas)
    return 0;
  if (args.max_sections > 1 && stay_whole(args, line, section))
    return 1;
  if (!args.merges_together || units > args.ctas / 2 || line.steps != line.tiles * line.step_begin[1])
    return 0;
  const int steps = line.step_begin[1] - args.unit_steps;
  const int longest = (steps + args.ctas / units - 1) / (args.ctas / units);
  return (steps + longest - 1) / max(1, longest);
}

/* Section `number` of `count`, whose cuts are or will be in `cuts`. */
Section section_of(const fi_plan_args &args, const Line &line, const int *cuts, int number, int count) {
  const int kv_heads = args.kv_heads / args.head_tiles;
  const int first_head = number * kv_heads / count * args.head_tiles;
  const int heads = (number + 1) * kv_heads / count * args.head_tiles - first_head;
  Section section = section_of_heads(line.steps, first_head, heads);
  section.number = number;
  section.count = count;
  section.pieces = pieces_of(args, line, section);
  const int shares =
      section.pieces > 0 ? section.pieces * line.tiles * section.heads : shares_of(args, line, section);
  divide_section(section, shares, cuts);
  return section;
}

/*
 * Where a share begins if units are cut into as many pieces each: where the unit does, or after an even part of its KV.
 * All CTAs then are at the same tokens at a time whose units have the same KV. Units that are not as long as the first
 * are cut at even parts of the line.
 */
int cut_of_piece(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  const int number = share / section.pieces;
  const int piece = share % section.pieces;
  const int steps = line.step_begin[1];
  const Unit unit = unit_at(args, line, section, number);
  if (section.pieces == 1)
    return unit.begin;
  if (unit.begin != number * steps || unit.end - unit.begin != steps)
    return (int)((long long)share * section.steps / section.shares);
  if (piece == 0)
    return unit.begin;
  return unit.begin + args.unit_steps + (int)((long long)piece * (steps - args.unit_steps) / section.pieces);
}

/*
 * Where a share begins: an even part of the line, or the end of the unit there when that is nearer than the least
 * piece, which would not be worth its partial result. Where shares are small, so is what is worth a partial: half of
 * one, but more than what a unit costs besides its KV.
 */
int cut_of(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  if (share >= section.shares)
    return section.steps;
  if (section.pieces > 0)
    return cut_of_piece(args, line, section, share);
  const int cut = even_cut(section, share);
  if (args.least_piece == 1)
    return cut;
  const int least_piece = max(args.unit_steps + 1, min(args.least_piece, section.steps / section.shares / 2));
  const Unit unit = unit_of_step(args, line, section, cut);
  const int before = cut - unit.begin;
  const int after = unit.end - cut;
  if (before >= least_piece && after >= least_piece)
    return cut;
  return before <= after ? unit.begin : unit.end;
}

/*
 * The CTA that has a share: that of its number, but where tiles divide the query heads of a KV head. Then the shares of
 * these, which are at the same tokens, are of CTAs next to each other: what one has fetched is near to the others.
 */
int cta_of_share(const fi_plan_args &args, const Section &section, int share) {
  if (args.head_tiles == 1 || share >= section.shares || section.shares % section.heads > 0)
    return share;
  const int shares = section.shares / section.heads; /* of a tile of heads */
  const int head = share / shares;
  return (head / args.head_tiles * shares + share % shares) * args.head_tiles + head % args.head_tiles;
}

/*
 * Index of a CTA's first item in the section after this one; -1 if there is none. Shares of several sections are
 * several times the least piece (sections_of), so that none is empty.
 */
int item_after(const fi_plan_args &args, const Line &line, const Section &section, int share) {
  if (section.number + 1 == section.count)
    return -1;
  const Section next = section_of(args, line, nullptr, section.number + 1, section.count);
  const Unit unit = unit_of_step(args, line, next, cut_of(args, line, next, share));
  return item_index(args, line, next, unit, share);
}

/* Finds a section's cuts, ctas + 1. All threads of the CTA take part. */
void cut_section(const fi_plan_args &args, const Line &line, const Section &section, int *cuts) {
  __syncthreads();
#pragma unroll 1
  for (int share = (int)threadIdx.x; share <= args.ctas; share += kThreads)
    cuts[share] = cut_of(args, line, section, share);
  __syncthreads();
}

/* The share that a step belongs to: found from where even cuts would be, which are not far from the real ones. */
int share_of(const Section &section, int step) {
  int share = min((int)((float)step * section.shares_a_step), section.shares - 1);
#pragma unroll 1
  while (section.cuts[share] > step)
    share--;
#pragma unroll 1
  while (section.cuts[share + 1] <= step)
    share++;
  return share;
}

/* Says of the CTAs without work that they have none. */
void close_empty_shares(const fi_plan_args &args, const Section &section) {
#pragma unroll 1
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    if (section.cuts[share] == section.cuts[share + 1])
      args.plan.first[cta_of_share(args, section, share)].row_count = 0;
}

/* The item of steps [begin, end) of a unit. */
fi_item item_of(const fi_plan_args &args, const Line &line, const Section &section, const Unit &unit, int begin,
                int end) {
  const Tile tile = tile_of(args, line.tile_begin, unit.tile);
  fi_item item;
  item.kv_base = tile.kv_base;
  item.kv_head = section.first_head + unit.head;
  const int first = first_of_steps(args, tile);
  const int before = -unit.begin - args.unit_steps;
  item.kv_begin = max(tile.kv_begin, first + (begin + before) * args.step_tokens);
  const int kv_end = min(tile.kv_end, (int)min(0x7fffffffll, first + (end + before) * (long long)args.step_tokens));
  item.kv_end = max(item.kv_begin, kv_end);
  const fi_interval inner = inner_of(args, tile, item.kv_begin, item.kv_end);
  item.inner_begin = inner.first;
  item.inner_end = inner.end;
  item.row_begin = tile.first;
  item.row_count = (unsigned short)tile.count;
  item.unit_count = 1;
  item.part = -1;
  item.unit = args.first_unit + section.first_head * line.tiles + unit.number;
  item.next = -1;
  item.kv_len = tile.kv_len;
  return item;
}

/*
 * Says of a unit, which has the rows of `item`, where its partials lie, and that it waits for all of them. They are in
 * slots of partials from `slot` on, a slot in `step`.
 */
void write_unit(const fi_plan_args &args, const fi_item &item, int unit, int slot, int step, int count, int parent) {
  const int part = args.first_part + slot * args.tile_rows;
  args.plan.units[unit] = {
      item.row_begin, item.row_count, item.kv_head, part, step * args.tile_rows, count, -1, parent};
  args.plan.arrivals[unit] = count;
}

/*
 * How many of a unit's partials are merged as a group. One CTA merges a unit, and a partial after the other takes it
 * longer than groups on several CTAs at a time and one more arrival.
 */
int group_of(int part_count) {
  return part_count <= kMostAtOnce ? 1 : part_count <= 64 ? 8 : 16;
}

/*
 * Makes an item the piece `piece` of the `count` pieces of its unit, whose partials lie in slots from `slot` on.
 * `unit_count` is how many units the batch has: after them come groups, by the slot of their first partial.
 */
void make_part(const fi_plan_args &args, fi_item &item, int unit_count, int slot, int piece, int count) {
  const int units = args.first_unit + unit_count;
  const int unit = item.unit;
  const int group = args.merges_together || args.fixed ? 1 : group_of(count);
  item.part = args.first_part + (slot + piece) * args.tile_rows;
  if (piece == 0)
    write_unit(args, item, unit, slot, group, (count + group - 1) / group, args.merges_together ? units + slot + 1 : 0);
  if (piece == 0 && args.merges_together)
    args.plan.arrivals[units + slot] = 0;
  if (group == 1)
    return;
  const int before = piece / group * group;
  item.unit = units + slot + before;
  if (piece == before)
    write_unit(args, item, item.unit, slot + before, 1, min(group, count - before), unit + 1);
}

/* What an item has of a unit: steps [begin, end) of the line, which lie in a share. */
struct Piece {
  Unit unit;
  int begin;
  int end;
  int share;
};

/* Pieces, or places where none is: fixed ones are of a step each; else they begin where units and shares do. */
int count_pieces(const fi_plan_args &args, const Line &line, const Section &section) {
  return args.fixed ? section.steps : line.tiles * section.heads + section.shares;
}

/*
 * Piece i: of even shares it is the first of unit i, or else what share i - units has first, unless a unit begins
 * there, too; that one is empty.
 */
Piece piece_at(const fi_plan_args &args, const Line &line, const Section &section, int i) {
  const int units = args.fixed ? 0 : line.tiles * section.heads;
  const int step = args.fixed ? i : i < units ? 0 : section.cuts[i - units];
  if (i >= units && step >= section.steps)
    return {{}, step, step, 0};
  const Unit unit = i < units ? unit_at(args, line, section, i) : unit_of_step(args, line, section, step);
  const int begin = i < units ? unit.begin : step;
  if (i >= units && !args.fixed && (step == unit.begin || step == section.cuts[i - units + 1]))
    return {unit, step, step, 0};
  const int share = share_of(section, begin);
  return {unit, begin, args.fixed ? step + 1 : min(unit.end, section.cuts[share + 1]), share};
}

/*
 * Says where the partial of a piece is. A unit that begins in share b has its partial of share c in slot b + c of the
 * section: its partials follow each other, and those of the next unit in pieces, which begins in its last share or
 * after it, come after them. Fixed pieces have slots of their own.
 */
void place_piece(const fi_plan_args &args, const Line &line, const Section &section, const Piece &piece,
                 fi_item &item) {
  const Unit &unit = piece.unit;
  const int first = args.fixed ? unit.begin : share_of(section, unit.begin);
  const int own = args.fixed ? piece.begin : piece.share;
  const int last = args.fixed ? unit.end - 1 : share_of(section, unit.end - 1);
  const int slot = args.fixed ? first : 2 * (section.number * args.ctas + first);
  make_part(args, item, line.tiles * args.kv_heads, slot, own - first, last - first + 1);
}

void write_piece(const fi_plan_args &args, const Line &line, const Section &section, const Piece &piece) {
  const Unit &unit = piece.unit;
  const int index = args.fixed ? piece.begin : item_index(args, line, section, unit, piece.share);
  fi_item item = item_of(args, line, section, unit, piece.begin, piece.end);
  if (unit.begin < piece.begin || piece.end < unit.end)
    place_piece(args, line, section, piece, item);
  item.next = piece.end < section.cuts[piece.share + 1] ? index + 1 : item_after(args, line, section, piece.share);
  args.plan.items[index] = item;
  if (section.number == 0 && piece.begin == section.cuts[piece.share])
    args.plan.first[cta_of_share(args, section, piece.share)] = item;
}

/* A thread writes a piece, if it is not empty. */
void write_pieces(const fi_plan_args &args, const Line &line, const Section &section) {
#pragma unroll 1
  for (int i = first_index(); i < count_pieces(args, line, section); i += kIndexStride) {
    const Piece piece = piece_at(args, line, section, i);
    if (piece.begin < piece.end)
      write_piece(args, line, section, piece);
  }
}

/* Cuts the plan's part of the batch into shares. */
void cut_batch(const fi_plan_args &args, const Line &line, int *cuts) {
  const int sections = sections_of(args, line);
#pragma unroll 1
  for (int number = 0; number < sections; number++) {
    const Section section = section_of(args, line, cuts, number, sections);
    cut_section(args, line, section, cuts);
    if (number == 0)
      close_empty_shares(args, section);
    write_pieces(args, line, section);
  }
}

/* Says of all CTAs that they have no work. */
void close_all_shares(const fi_plan_args &args) {
#pragma unroll 1
  for (int share = first_index(); share < args.ctas; share += kIndexStride)
    args.plan.first[share].row_count = 0;
}

/* Where the line of the batch is: in the room after the cuts, or in memory if shared memory has no room for it. */
Line room_of_line(const fi_plan_args &args, int *room) {
  Line line;
  line.tile_begin = args.tile_begin ? args.tile_begin : room;                      /* [requests + 1] */
  line.step_begin = args.tile_begin ? args.step_begin : room + args.requests + 1; /* [tiles + 1] */
  return line;
}

/*
 * Sums the tiles of requests, or the steps of tiles on one head. In shared memory each CTA sums all of them; in memory
 * each writes a part, and the sum is there when the launch has ended.
 */
void count_stage(const fi_plan_args &args, u32 members, const Line &line, int stage) {
  const bool of_steps = stage == FI_STAGE_STEPS;
  int *begin = of_steps ? line.step_begin : line.tile_begin;
  const int size = of_steps ? line.tile_begin[args.requests] : args.requests;
  const auto count = [&](int i) {
    return of_steps ? steps_of(args, tile_of(args, line.tile_begin, i)) : own_tiles_of(args, i, members);
  };
  const int cta = (int)(blockIdx.x % FI_PLAN_CTAS);
  const int part = args.tile_begin ? (size / kIndexStride + 1) * kThreads : size + 1;
  const int first = args.tile_begin ? cta * part : 0;
  const int total = prefix_sum_of_range(begin, first, min(size, first + part), count);
  if (first <= size && size < first + part && threadIdx.x == 0)
    begin[size] = total;
  __syncthreads();
}

/* Where every request has a tile, as in decoding, nothing is summed. */
void number_tiles(const fi_plan_args &args, const Line &line) {
#pragma unroll 1
  for (int request = (int)threadIdx.x; request <= args.requests; request += kThreads)
    line.tile_begin[request] = first_token(args, request);
  __syncthreads();
}

/* Finds the line of the batch, or what a stage of its own finds of it. */
void count_line(const fi_plan_args &args, u32 members, const Line &line, int stage) {
  const bool numbered = has_tile_each(args) && stage == FI_STAGE_SHARE;
  if (numbered)
    number_tiles(args, line);
  const int first = numbered ? FI_STAGE_STEPS : stage == FI_STAGE_SHARE ? FI_STAGE_TILES : stage;
  const int last = stage == FI_STAGE_SHARE ? FI_STAGE_STEPS : stage;
#pragma unroll 1
  for (int s = first; s <= last; s++)
    count_stage(args, members, line, s);
}

/* Most steps of the units that come last: with two of them may a CTA be at work when the others are done. */
constexpr int kLastSteps = 16;

/* Units a CTA, at least: it claims its second one when it begins with the first. */
constexpr int kLeastUnits = 4;

/* Most requests: each unit looks at all of them for its place. */
constexpr int kMostRequests = 256;

int steps_of_tile(const Line &line, int tile) {
  return line.step_begin[tile + 1] - line.step_begin[tile];
}

int max_of_warp(int value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = max(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/* Steps of the longest unit, and of the longest of those that come last. */
struct Longest {
  int unit;
  int last;
};

Longest longest_of(const fi_plan_args &args, const Line &line) {
  __shared__ Longest longest;
  Longest own = {0, 0};
  if (threadIdx.x == 0)
    longest = own;
  for (int tile = (int)threadIdx.x; tile < line.tiles; tile += kThreads)
    own.unit = max(own.unit, steps_of_tile(line, tile));
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    if (line.tile_begin[request + 1] > line.tile_begin[request])
      own.last = max(own.last, steps_of_tile(line, line.tile_begin[request]));
  own = {max_of_warp(own.unit), max_of_warp(own.last)};
  __syncthreads();
  if (lane() == 0) {
    atomicMax(&longest.unit, own.unit);
    atomicMax(&longest.last, own.last);
  }
  __syncthreads();
  return longest;
}

/* Whether a queue is better than even shares: units are many, none has more than a share, and the last are short. */
bool queue_pays(const fi_plan_args &args, const Line &line) {
  if (!args.claims || args.fixed || args.requests > kMostRequests ||
      line.tiles * args.kv_heads < kLeastUnits * args.ctas)
    return false;
  const Longest longest = longest_of(args, line);
  return longest.unit <= line.steps * args.kv_heads / args.ctas && longest.last <= kLastSteps;
}

/*
 * How many tiles come before one, on each head: those that are further back in their requests, which see more where the
 * mask is causal, and of those at the same place the ones of requests before.
 */
int place_of_tile(const fi_plan_args &args, const Line &line, int tile) {
  const int request = has_tile_each(args) ? tile : find_last(line.tile_begin, args.requests, tile);
  const int number = tile - line.tile_begin[request];
  int place = 0;
  for (int other = 0; other < args.requests; other++) {
    const int tiles = line.tile_begin[other + 1] - line.tile_begin[other];
    place += max(0, tiles - 1 - number) + (other < request && tiles > number);
  }
  return place;
}

/*
 * Sections of the queue, which come one after the other: their KV takes half of what those of shares have, since all of
 * it is gone over again and again, but each has work for all CTAs.
 */
int sections_of_queue(const fi_plan_args &args, const Line &line) {
  const int most = line.tiles * args.kv_heads / (2 * args.ctas);
  const int kv_heads = args.kv_heads / args.head_tiles;
  return max(1, min(2 * sections_wanted(args, line), min(most, kv_heads)));
}

/* The section, of `count`, that a head is in. */
Section section_of_head(const fi_plan_args &args, const Line &line, int head, int count) {
  const int kv_heads = args.kv_heads / args.head_tiles;
  return section_of(args, line, nullptr, ((head / args.head_tiles + 1) * count - 1) / kv_heads, count);
}

/* Writes all units as items: one section after the other, by the places of tiles, then heads. */
void write_queue(const fi_plan_args &args, const Line &line) {
  const int sections = sections_of_queue(args, line);
  const int units = line.tiles * args.kv_heads;
  for (int i = first_index(); i < units; i += kIndexStride) {
    const Section section = section_of_head(args, line, i % args.kv_heads, sections);
    const int tile = i / args.kv_heads;
    const Unit unit = unit_of(args, line, section, tile, i % args.kv_heads - section.first_head);
    fi_item item = item_of(args, line, section, unit, unit.begin, unit.end);
    item.next = FI_NEXT_CLAIMED;
    const int number =
        section.first_head * line.tiles + place_of_tile(args, line, tile) * section.heads + unit.head;
    args.plan.items[number] = item;
    if (number < args.ctas)
      args.plan.first[number] = item;
  }
  for (int cta = units + first_index(); cta < args.ctas; cta += kIndexStride)
    args.plan.first[cta].row_count = 0;
  const int first = min(units, args.ctas);
  if (blockIdx.x % FI_PLAN_CTAS == 0 && threadIdx.x == 0)
    *args.plan.queue = {first, first, units, 0};
}

void share_line(const fi_plan_args &args, const Line &line, int *cuts) {
  if (queue_pays(args, line))
    write_queue(args, line);
  else
    cut_batch(args, line, cuts);
}

/* What is wrong with a request; where nothing is planned, of that only which is the reason. */
Fault told_fault_of(const fi_plan_args &args, int request, bool planned) {
  const Fault fault = fault_of(args, request);
  return planned || fault.kind == kFaultQIndptr ? fault : Fault{0, 0};
}

/* What the plan says of its batch, and of the first request that something is wrong with. All threads take part. */
void write_header(const fi_plan_args &args, int tokens, bool planned) {
  __shared__ int first;
  if (threadIdx.x == 0)
    first = args.requests;
  Fault fault = {0, 0};
  int request = (int)threadIdx.x;
#pragma unroll 1
  for (; request < args.requests && fault.kind == 0; request += kThreads)
    fault = told_fault_of(args, request, planned);
  request -= kThreads; /* the one that was looked at last */
  __syncthreads();
  if (fault.kind > 0)
    atomicMin(&first, request);
  __syncthreads();
  if (first < args.requests ? request != first : threadIdx.x > 0)
    return;
  fi_plan_header &header = *args.plan.header;
  header.fault = fault.kind;
  header.fault_request = fault.kind ? request : 0;
  header.fault_value = fault.value;
  header.page_table = args.page_table;
  header.page_table_stride = args.page_table_stride;
  header.second_page_table = args.second_page_table;
  header.second_page_table_stride = args.second_page_table_stride;
  header.tokens = tokens;
  header.id = args.id;
  header.rows_id = args.rows_id;
}

/* What a row sees. */
void write_interval(const fi_plan_args &args, int token) {
  if (args.intervals)
    args.plan.seen[token] = interval_of_token(args, token);
}

/* The rows, and what some kernels want to know of them. */
void write_rows(const fi_plan_args &args, int tokens) {
#pragma unroll 1
  for (int token = first_index(); token < tokens; token += kIndexStride) {
    args.plan.rows[token] = row_of_token(args, token);
    write_interval(args, token);
    if (args.mask_bits)
      args.plan.row_bits[token] = bits_of_token(args, token);
    if (args.names_requests)
      args.plan.requests[token] = request_of(args, max(token, first_token(args, 0)));
  }
}

constexpr u32 kFaultSelectedLen = 9;

/* Tells of the first length of lists that is out of bounds, unless its request or one before it has another fault. */
void tell_bad_list(const fi_plan_args &args, int tokens) {
  __shared__ int first;
  if (threadIdx.x == 0)
    first = tokens;
  __syncthreads();
  if (args.selected_len && args.select > 0)
    for (int token = first_token(args, 0) + (int)threadIdx.x; token < tokens; token += kThreads)
      if (args.selected_len[token] != entries_of(args, token))
        atomicMin(&first, token);
  __syncthreads();
  if (threadIdx.x > 0 || first == tokens)
    return;
  fi_plan_header &header = *args.plan.header;
  const u32 request = (u32)request_of(args, first);
  if (header.fault > 0 && header.fault_request <= request)
    return;
  header.fault = kFaultSelectedLen;
  header.fault_request = request;
  header.fault_value = args.selected_len[first];
}

/* Nothing is told of prefixes. */
void begin_order(const fi_plan_args &args) {}

void tell_bad_order(const fi_plan_args &args, bool planned) {}

/* The last CTA, which has the least to write, writes the header too. */
bool writes_header() {
  return blockIdx.x % FI_PLAN_CTAS == FI_PLAN_CTAS - 1;
}

/* Divides the plan's part of the batch among the CTAs of its launch, or does a stage of that. */
void divide_batch(const fi_plan_args &args, u32 members, int stage) {
  extern __shared__ int cuts[]; /* [ctas + 1] */
  Line line = room_of_line(args, cuts + args.ctas + 1);
  if (stage < FI_STAGE_SHARE || !args.tile_begin)
    count_line(args, members, line, stage);
  if (stage < FI_STAGE_SHARE)
    return;
  line.tiles = line.tile_begin[args.requests];
  line.steps = line.step_begin[line.tiles];
  share_line(args, line, cuts);
}

/*
 * Writes the items of a batch, and the rows where there are some: append reads the first member's. `tokens` is 0 and
 * `members` none for a batch that makes no sense, of which nothing is planned.
 */
void plan_batch(const fi_plan_args &args, int tokens, u32 members, int stage) {
  const bool has_part = members >> args.member & 1;
  if (stage < FI_STAGE_SHARE || (args.ctas > 0 && has_part))
    divide_batch(args, members, stage);
  else
    close_all_shares(args);
  if (stage == FI_STAGE_SHARE && (has_part || args.member == 0))
    write_rows(args, tokens);
}

void write_plan(const fi_plan_args &args, int tokens, u32 members, int stage) {
  plan_batch(args, tokens, members, stage);
}

/*
 * Splits batches into work items, once a step.
 *
 * Each request's query tokens form tiles; a unit is one tile on one KV head; a step is what a CTA takes of a
 * unit's KV at once. All steps of a section's units, in order, form one line, which is cut into equal shares, one
 * a CTA. A unit that a cut goes through is several items, whose partial results the last of its CTAs merges. Or
 * whole units form a queue, from which CTAs claim. Append needs the rows only: a plan for no CTAs.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_plan(const __grid_constant__ fi_plans_args plans) {
  wait_for_stream();
  const fi_plan_args args = plans.plans[blockIdx.x / FI_PLAN_CTAS]; /* at once, not one by one where they are used */
  if (plans.stage == FI_STAGE_CHECK)
    return check_pages(args);
  const bool sound = is_sound(args);
  if (!sound && plans.stage < FI_STAGE_SHARE)
    return;
  const int tokens = sound ? first_token(args, args.requests) : 0;
  begin_order(args);
  write_plan(args, tokens, sound ? members_of_batch(args) : 0, plans.stage);
  if (plans.stage < FI_STAGE_SHARE || !writes_header())
    return;
  write_header(args, tokens, sound);
  tell_bad_list(args, tokens);
  tell_bad_order(args, sound);
}
