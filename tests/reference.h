/*
 * What the kernels compute, in plain double precision on host memory, written from the formulas of flashjit.h
 * and from nothing else. It takes the same structs as fi_plan and fi_run, whose pointers here are host
 * pointers.
 */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include "flashjit.h"
#include "tests/snippet.h"

#include <stdbool.h>

struct reference {
  fi_spec spec; /* every default filled in, as fi_kernel_spec gives it */
  fi_batch batch;
  fi_tensors tensors; /* strides of 0 are packed */
  uint32_t kv_heads;
  uint32_t max_selected;     /* as in the workspace, for spec.select */
  snippet_function *snippet; /* what the text of spec.snippet computes; NULL: there is none */
};

uint32_t reference_kv_len(const struct reference *reference, uint32_t request);
uint32_t reference_query_len(const struct reference *reference, uint32_t request);

/* Index in Q, O, LSE and the new K and V of a request's first query token. */
uint32_t reference_query_begin(const struct reference *reference, uint32_t request);

/* The id of the page that has a token of a paged cache. */
int64_t reference_page(const struct reference *reference, uint32_t request, uint32_t token);

/* The cache of V: that of K where V is in it. */
const fi_kv *reference_values(const struct reference *reference);

/* Elements from k.data, and from that of V, to dimension 0 of a token; and from v.data to the first of its rows there.
 */
int64_t reference_cache_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);
int64_t reference_v_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);
int64_t reference_v_row_offset(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head);

/* The rows at tensors.k, or .v, and at .k_new and .v_new: V has none in K, but the wide dims of K. */
struct reference_rows {
  uint32_t dtype; /* in the cache */
  uint32_t dim;   /* 0: none */
};

struct reference_rows reference_k_rows(const fi_spec *spec);
struct reference_rows reference_v_rows(const fi_spec *spec);

/* The scales of K or V that lie as its rows do. */
struct reference_scale_rows {
  uint32_t dtype;
  uint32_t count;  /* of a row; 0: there are none */
  uint32_t packed; /* the same with what fills the last word */
  uint32_t group;  /* elements that have one */
};

struct reference_scale_rows reference_k_scale_rows(const fi_spec *spec);
struct reference_scale_rows reference_v_scale_rows(const fi_spec *spec);

/* What is stored of K and V of a token: head_dim and v_dim elements, as they are worth. */
void reference_stored(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head, double *k,
                      double *v);

/* K and V of query token `token` that append is given. */
void reference_new(const struct reference *reference, uint32_t token, uint32_t kv_head, double *k, double *v);

/* The scales of K or V of a token and head: element d is multiplied with scale first + d / group, and host. */
struct reference_scales {
  uint32_t dtype;
  const void *data; /* NULL: host alone */
  int64_t first;
  uint32_t group;
  double host;
};

struct reference_scales reference_k_scales(const struct reference *reference, uint32_t request, uint32_t token,
                                           uint32_t kv_head);
struct reference_scales reference_v_scales(const struct reference *reference, uint32_t request, uint32_t token,
                                           uint32_t kv_head);

/* What element d is multiplied with. An infinite scale counts as a large one. */
double reference_scale(const struct reference_scales *scales, uint32_t d);

/* The type of the scales of a type of K or V. */
uint32_t reference_scale_dtype(uint32_t dtype);

/* Elements from q, o, k_new and v_new to dimension 0 of a token of the batch. */
int64_t reference_q_offset(const struct reference *reference, uint32_t token, uint32_t head);
int64_t reference_o_offset(const struct reference *reference, uint32_t token, uint32_t head);
int64_t reference_new_offset(const struct reference *reference, uint32_t token, uint32_t kv_head);
int64_t reference_v_new_offset(const struct reference *reference, uint32_t token, uint32_t kv_head);

/* The KV tokens *first to before *end that a query token sees at a place of its request's KV. */
void reference_seen(const fi_spec *spec, const fi_batch *batch, uint32_t request, int64_t kv_len, int64_t place,
                    int64_t *first, int64_t *end);

/* Whether the packed mask, where there is one, shows KV token t to query token i of a request. */
bool reference_has_bit(const struct reference *reference, uint32_t request, uint32_t i, int64_t t);

/* How many times the lists of query token `token` (of the batch) on a head have KV token t; 1 without lists. */
uint32_t reference_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t t);

/* The same of each KV token: times[kv_len]; and added to what is there, of a spec with lists. */
void reference_count_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t kv_len,
                            uint32_t *times);
void reference_add_listed(const struct reference *reference, uint32_t token, uint32_t kv_head, int64_t kv_len,
                            uint32_t *times);

/* The second KV of spec.second_page, as the first of one that has no other. */
struct reference reference_second(const struct reference *reference);

/*
 * Leaves 0 at times[t] of each KV token that no query token of a request has by mask and lists, those of a second KV
 * after all of the first; times holds zeros before.
 */
void reference_count_read(const struct reference *reference, uint32_t request, uint32_t kv_head, uint32_t *times);

/*
 * How many times query token `token` (of the batch), which sees the KV before `seen` by the mask, has each KV token by
 * its lists, those of a second KV after all of the first. Returns the end of those that it may see.
 */
int64_t reference_count_times(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head,
                              int64_t seen, uint32_t *times);

/* Entries from tensors.selected to the first of a token and KV head. */
int64_t reference_list_offset(const struct reference *reference, uint32_t token, uint32_t kv_head);

/* From the first to after the last KV token that some query token of a request sees. */
void reference_seen_by_some(const struct reference *reference, uint32_t request, int64_t *first, int64_t *end);

/* Where the position of a KV token is in tensors.key_positions. */
int64_t reference_key_place(const struct reference *reference, uint32_t request, uint32_t token);

/* Where a token is along time, height and width. */
struct position {
  int64_t along[3];
};

/* Turns the pairs of one row as spec.rope and tensors.rope_table say for a position. */
void reference_rotate(const struct reference *reference, struct position position, double *row);

/*
 * K and V of one request and KV head, [kv_len][head_dim] and [kv_len][v_dim], 0 where nobody sees them; K is rotated
 * when spec.rope_keys leaves that to attention. Those of a second KV follow.
 */
struct reference_head {
  double *k;
  double *v;
  double *weights; /* room for one query's logits */
  uint32_t *times; /* and for how often it has each KV token listed */
};

bool reference_head_load(const struct reference *reference, uint32_t request, uint32_t kv_head,
                         struct reference_head *loaded);
void reference_head_free(struct reference_head *loaded);

/* Query token i of the request and one of the query heads of the loaded KV head: o[v_dim] and lse. */
void reference_attend(const struct reference *reference, const struct reference_head *loaded, uint32_t request,
                      uint32_t i, uint32_t head, double *o, double *lse);

/* What append leaves in the cache for query token i of the request, before it is rounded to kv_dtype; of K alone where
 * V is in it. */
void reference_append(const struct reference *reference, uint32_t request, uint32_t i, uint32_t kv_head, double *k,
                      double *v);

/* A score, and the sum of the sizes of what it is a sum of, to which rounding errors are relative. */
struct score {
  double value;
  double size;
};

/* The score of a block for a list of query token i of a request, which sees the KV tokens before `end`. */
struct score reference_score(const struct reference *reference, uint32_t request, uint32_t i, uint32_t list,
                             int64_t block, int64_t end);

/* One row of the merge of tensors.parts states: o[v_dim] and lse. */
void reference_merge(const struct reference *reference, uint32_t token, uint32_t head, double *o, double *lse);

#endif
