/*
 * A timed workload: a spec of attention or of an indexer, KV heads, and a batch. As a line "SPEC heads=N batch=BATCH",
 * for example "attention group=4 page=16 heads=8 batch=64q1s4k". With the axis select also "listed=N", entries of each
 * list: random blocks, each once, of what a query token sees; holes where it sees fewer. With the axis second also
 * "ratio=N": the second KV of a request has an entry for each N tokens, and a query token sees those whose tokens it
 * has behind it. An indexer makes lists of listed=N entries; with ratio=N its keys are those of such entries; first=N
 * and last=N are blocks at both ends of what a query token sees that are listed anyway.
 */
#ifndef TOOLS_BENCH_BENCH_CASE_H
#define TOOLS_BENCH_BENCH_CASE_H

#include "flashjit.h"
#include "tools/bench/bench_batch.h"

#include <stddef.h>

struct bench_case {
  fi_spec spec; /* with its defaults filled in */
  char spec_text[FI_SPEC_TEXT_SIZE];
  char layer[32]; /* kind, of a model; else "" */
  uint32_t kv_heads;
  uint32_t listed; /* entries of each list; 0 without lists */
  uint32_t ratio;  /* tokens to an entry of the second KV, or to a key; 0: there is no such KV, a key is a token's */
  uint32_t first;  /* blocks that are in each list of an indexer: the first ones, .. */
  uint32_t last;   /* .. and the last ones that the query token sees */
  struct bench_batch batch;
};

/* The numbers of a case beside its heads, by the names that they have in lines and options; 0: not given. */
enum { BENCH_COUNTS = 4 };
extern const struct bench_count {
  const char *name;
  size_t offset; /* in struct bench_case */
  uint32_t most;
} bench_counts[BENCH_COUNTS];

uint32_t bench_case_count(const struct bench_case *what, size_t number);

/* False, with a problem, when the line is none, or its spec is not for bench. */
bool bench_case_parse(struct bench_case *what, const char *line);

/* Of parts. The batch is copied. */
bool bench_case_make(struct bench_case *what, const fi_spec *spec, uint32_t kv_heads, const struct bench_batch *batch);

/*
 * Sets these numbers. Indexers and specs with select list 1 block and more, others none. An entry of a second KV has 0
 * tokens in specs without such, BENCH_RATIO by default in others; or a key of an indexer, 0 for 1. Indexers alone have
 * first and last blocks. False, with the problem set, where it is otherwise.
 */
enum { BENCH_RATIO = 4 };
bool bench_case_list(struct bench_case *what, const uint32_t counts[BENCH_COUNTS]);

/* Blocks, or entries of a second KV, that query token i of a request of the case sees, of which it lists some. */
uint32_t bench_case_seen(const struct bench_case *what, uint32_t request, uint32_t i);

/* Entries that a request of the case has in its second KV, or as keys. */
uint32_t bench_case_entries(const struct bench_case *what, uint32_t request);

/* The line. */
enum { CASE_TEXT_SIZE = FI_SPEC_TEXT_SIZE + BATCH_TEXT_SIZE + 128 };
void bench_case_text(const struct bench_case *what, char text[CASE_TEXT_SIZE]);

/*
 * The case as it is launched, with a batch of its own: to an indexer of entries each query token is a request, which
 * sees the entries that are whole at it in the pages of the last one. False, with a problem, without memory.
 */
bool bench_case_launched(const struct bench_case *what, struct bench_case *launched);

/* Bytes that a launch reads of K, V and their scales, and floating-point operations of the scores that are seen. */
double bench_case_bytes(const struct bench_case *what);
double bench_case_operations(const struct bench_case *what);

/* Whether arithmetic, not memory, bounds it: it has enough operations for each byte. */
bool bench_case_is_compute_bound(const struct bench_case *what);

/* Bits of K and V of a token and head, with their scales. */
uint64_t bench_token_bits(const fi_spec *spec);

struct case_list {
  struct bench_case *cases;
  size_t count;
};

/* Takes the case over, also when it fails: false, with a problem, without memory. */
bool case_list_add(struct case_list *list, struct bench_case *what);
void case_list_free(struct case_list *list);

/* The thirty that are timed when nothing else is asked for. */
bool case_list_default(struct case_list *list);

/* One a line; empty lines and those that begin with # are skipped. False, with a problem "path:line: ...". */
bool case_list_file(struct case_list *list, const char *path);

#endif
