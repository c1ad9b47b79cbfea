/*
 * What host and device share: the plan's records and each kernel's one argument. This file is pasted verbatim in
 * front of every generated kernel, so it includes nothing and uses built-in types only. Sizes and offsets are
 * part of the cache key.
 */
#ifndef FLASHJIT_ARGS_H
#define FLASHJIT_ARGS_H

#define FLASHJIT_ARGS_VERSION 2

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

struct fi_append_args {
  struct fi_plan_arrays plan;
  struct fi_kv_args k, v;
  struct fi_kv_args k_new, v_new;
  const int *positions;
  int kv_heads;
  int reserved;
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
  int reserved;
};

struct fi_plan_args {
  struct fi_plan_arrays plan;
  const int *q_indptr;
  const int *kv_len;
  const int *kv_indptr;
  const int *page_table;
  long long page_table_stride;
  int requests;
  int csr; /* kv_base is kv_indptr[request] */
  int causal;
  int kv_heads;
  int tile_tokens; /* query tokens of a tile */
  int tile_rows;   /* partial rows of a tile */
  int group;
  int step_tokens; /* KV tokens that a CTA takes in one step */
  int split_steps; /* 0: even shares; else steps of a fixed piece */
  int ctas;
  int max_tokens; /* bounds of the workspace */
  int max_kv_len;
  int max_sections;  /* 1: every head's KV is read once, and the heads of a tile follow each other */
  int section_steps; /* steps of KV that stay in L2: a section takes about so many */
  int least_piece;   /* steps: a cut nearer to a unit's end, or than half a share, moves there; 1: none does */
  int unit_steps;    /* steps that a unit costs besides those of its KV */
};

#endif
