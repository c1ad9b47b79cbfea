/*
 * What host and device share: the plan's records and each kernel's one argument. This file is pasted verbatim in
 * front of every generated kernel, so it includes nothing and uses built-in types only. Sizes and offsets are
 * part of the cache key.
 */
#ifndef FLASHJIT_ARGS_H
#define FLASHJIT_ARGS_H

#define FLASHJIT_ARGS_VERSION 9

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

struct fi_merge_args {
  const void *parts_o;
  const float *parts_lse;
  void *o;
  float *lse;
  long long o_token_stride;
  long long o_head_stride;
  int parts;
  int tokens;
  int heads;
  float o_factor;
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

#endif
