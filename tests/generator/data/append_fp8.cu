/* flashjit: append kv=e4m3 scale=tensor page=16 rope=interleaved */

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

struct fi_append_args {
  struct fi_plan_arrays plan;
  struct fi_kv_args k, v;
  struct fi_kv_args k_new, v_new;
  const int *positions;
  const void *slots;
  int kv_heads;
  unsigned rows_id; /* that the header must have */
  int tokens;       /* by slots */
  int reserved;
  struct fi_rope_args rope;
};

constexpr int kVDim = 128;               /* elements of a row of V and O */
constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */
constexpr int kRopeDim = 128;            /* dims that are rotated */
constexpr int kRopeFirst = 0;            /* the first rotated dim */
constexpr int kQkDim = 128;              /* elements of a head of Q and K */
constexpr int kKvBits = 8;               /* of a stored element of K or V */

constexpr int kThreads = 128;            /* of a CTA */
constexpr int kCtasPerSm = 8;            /* CTAs that share an SM */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/*
 * Waits for the launch in front of this one and its writes. Unless that lets this one begin earlier, it does when all
 * CTAs of the other have ended: CTAs that came earlier would share the SMs where work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
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

float2 unpack_query(u32 word) {
  return unpack_bf16(word);
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

typedef int Position;

/* The position that turns a pair. */
int position_for(Position position, u64 entry) {
  return position;
}

/* 2 pi / 2^32 */
constexpr float kRadians = 1.4629180792671596e-9f;

/* What a row is rotated by. */
struct Rotation {
  const u64 *table; /* turns per token of each pair */
  float magnitude;
  Position position;
};

Rotation rotation_to(const fi_rope_args &rope, const Position &position) {
  return {rope.table, rope.magnitude, position};
}

/* The chunk `number` among those that are not rotated, where kRotated are. */
template <u32 kRotated> u32 plain_chunk(int number) {
  return number < kRopeFirst / 8 ? number : number + kRotated;
}

/*
 * Turns the pair (x, y) of pair number `pair` by its angle. The angle is exact modulo one turn: the table has turns per
 * token in units of 2^-64, and the product wraps as the angle does.
 */
void turn_pair(float &x, float &y, u32 pair, const Rotation &by) {
  const u64 entry = __ldg(by.table + pair);
  const u64 turns = (u64)(long long)position_for(by.position, entry) * entry;
  const float angle = (float)(int)(turns >> 32) * kRadians;
  const float cosine = cos_fast(angle) * by.magnitude;
  const float sine = sin_fast(angle) * by.magnitude;
  const float turned = fmaf(x, cosine, -(y * sine));
  y = fmaf(y, cosine, x * sine);
  x = turned;
}

constexpr u32 kRotatedUnits = kRopeDim / 8;

template <u32 kDim> constexpr u32 kRowUnits = kDim / 8;

/* Takes the elements of unit `unit` of a row, rotates them, and stores them. */
template <typename Load, typename Store> void rotate_unit(u32 unit, const Rotation &by, Load load, Store store) {
  const u32 chunk = unit < kRotatedUnits ? kRopeFirst / 8 + unit : plain_chunk<kRotatedUnits>(unit - kRotatedUnits);
  float values[8];
  load(values, chunk);
  if (unit < kRotatedUnits) {
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      turn_pair(values[2 * i], values[2 * i + 1], unit * 4 + i, by);
  }
  store(values, chunk);
}

/* The number of a KV head. */
typedef int KvHead;

/* The scale of K or V of a head. */
float scale_of(const fi_kv_args &kv, int kv_head) {
  return kv.scales[0];
}

constexpr u32 kKeyUnits = kRowUnits<kQkDim>;

constexpr u32 kNewUnits = kKeyUnits + kVDim / 8; /* of a new token and head: those of its K, then the chunks of its V */

/* Two values as e4m3, the first in the low byte. */
u32 fp8_pair(float low, float high) {
  u16 pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  return pair;
}

/* Writes the 8 elements of chunk `chunk` of a cached row. */
void write_chunk(u8 *row, u32 chunk, const float (&values)[8], float factor) {
  u32 pairs[4];
#pragma unroll
  for (int i = 0; i < 4; i++)
    pairs[i] = fp8_pair(values[2 * i] * factor, values[2 * i + 1] * factor);
  *(uint2 *)(row + chunk * 8) = make_uint2(pairs[0] | pairs[1] << 16, pairs[2] | pairs[3] << 16);
}

/* Reads the 8 elements of chunk `chunk` of a new row. */
void read_chunk(float (&values)[8], const u16 *row, u32 chunk) {
  unpack_chunk(values, *(const uint4 *)(row + chunk * 8), unpack_query);
}

/* What new values are multiplied with: finite however small the scale is, so that zeros stay zeros. */
float store_factor(float scale) {
  return fminf(1 / scale, 3.40282347e38f);
}

/* Stores unit `unit` of a row of K, rotated. What is read is multiplied with the scale. */
void store_key_unit(u8 *to, const u16 *from, u32 unit, float scale, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) { read_chunk(values, from, chunk); };
  const auto store = [&](const float(&values)[8], u32 chunk) { write_chunk(to, chunk, values, store_factor(scale)); };
  rotate_unit(unit, by, load, store);
}

/* Stores chunk `chunk` of a row of V. */
void store_value_chunk(u8 *to, const u16 *from, u32 chunk, float scale) {
  float values[8];
  read_chunk(values, from, chunk);
  write_chunk(to, chunk, values, store_factor(scale));
}

/* A query token whose K and V are appended, and what kv_row finds its place by. */
struct NewToken {
  int token;
  int place;
  int at;
};

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

/* How many tokens there may be. */
int new_tokens(const fi_append_args &args) {
  return planned_tokens(args.plan, args.rows_id);
}

/* Where token `number` goes: at < 0 is nowhere. */
NewToken new_token(const fi_append_args &args, int number) {
  const fi_row row = args.plan.rows[number];
  const int place = row.position < 0 ? 0 : kv_place(*args.plan.header, row.kv_base, row.position);
  return {row.token, place, row.position};
}

/* The row of a query token and head that is appended. */
const u16 *new_row(const fi_kv_args &kv, int token, int head) {
  return (const u16 *)kv.data + token * kv.token_stride + head * kv.head_stride;
}

/* The position that K of a new token is rotated to. */
int position_of(const fi_append_args &args, const NewToken &row) {
  return row.at;
}

/* Writes unit `unit` of the new K of a token and head. */
void append_key_unit(const fi_append_args &args, const NewToken &token, int head, u32 unit) {
  store_key_unit(kv_row(args.k, token.place, token.at, head), new_row(args.k_new, token.token, head), unit,
                 args.k.scale * scale_of(args.k, head), rotation_to(args.rope, position_of(args, token)));
}

/* Writes unit `unit` of a new token and head, if the token has a place. */
void append_unit(const fi_append_args &args, const NewToken &token, int head, u32 unit) {
  if (token.at < 0)
    return;
  if (unit < kKeyUnits)
    append_key_unit(args, token, head, unit);
  else
    store_value_chunk(kv_row(args.v, token.place, token.at, head), new_row(args.v_new, token.token, head),
                      unit - kKeyUnits, args.v.scale * scale_of(args.v, head));
}

/*
 * Writes the new K and V of the batch's query tokens into the cache: K rotated to its position, both converted to
 * the type of the cache. A thread takes a unit of a row, a few 16-byte chunks, at a time.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_append(const __grid_constant__ fi_append_args args) {
  wait_for_stream();
  const long long units = (long long)new_tokens(args) * args.kv_heads * kNewUnits;
  const long long threads = (long long)gridDim.x * kThreads;
  for (long long i = (long long)blockIdx.x * kThreads + threadIdx.x; i < units; i += threads) {
    const u32 unit = i % kNewUnits;
    const int head = i / kNewUnits % args.kv_heads;
    const NewToken token = new_token(args, (int)(i / kNewUnits / args.kv_heads));
    append_unit(args, token, head, unit);
  }
}
