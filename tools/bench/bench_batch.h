/*
 * The requests of a timed launch, in the grammar of vLLM's benchmarks: parts joined by "_", each
 * [COUNT]qTOKENS[sTOKENS[pTOKENS]], where TOKENS may end with k (1024). 2q2k_32q1s1k is two prompts of 2048 tokens, and
 * 32 requests that have a query token each on 1024 tokens of KV, that token among them. Without s the KV is the query
 * tokens alone. With p, which is not of vLLM's grammar, the requests of the part have these first tokens in common, as
 * far as they fill pages: 8q1s1kp512. A part of 0 requests is room: the workspace, and what may be launched, is for
 * such a request too.
 */
#ifndef TOOLS_BENCH_BENCH_BATCH_H
#define TOOLS_BENCH_BENCH_BATCH_H

#include "flashjit.h"
#include "tools/flashjit/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_request {
  uint32_t q_len;
  uint32_t kv_len; /* at least q_len */
  uint32_t shared; /* its first tokens, which are also those of .. */
  uint32_t owner;  /* .. this request, the first of its part */
};

enum { BATCH_TEXT_SIZE = 128, BENCH_MOST_REQUESTS = 65536 };

struct bench_batch {
  struct bench_request *requests;
  uint32_t count;
  struct bench_request room;  /* the largest that there is room for besides; of 0 tokens: none */
  char text[BATCH_TEXT_SIZE]; /* in the grammar; of a trace how many requests of which file, and a hash of lengths */
  const char *trace;          /* the path of its file, which is not copied; NULL: the text is in the grammar */
};

/* False, with a problem, when the text is none. */
bool bench_batch_parse(struct bench_batch *batch, const char *text);

/* Decoding of a trace's requests, each halfway through what it generates. The path is kept. False without memory, with
 * a problem. */
bool bench_batch_of_trace(struct bench_batch *batch, const struct trace *trace, const char *path);

/* At most so many requests, of at most so many query tokens and tokens of KV. */
void bench_batch_cut(struct bench_batch *batch, uint32_t requests, uint32_t q_len, uint32_t kv_len);

bool bench_batch_copy(struct bench_batch *batch, const struct bench_batch *from);

/* A request for each query token of another batch, whose KV are the entries of so many tokens that are whole at it: in
 * the pages of the last one of its request, which comes first. False, with a problem, without memory. */
bool bench_batch_of_entries(struct bench_batch *batch, const struct bench_batch *from, uint32_t ratio);
void bench_batch_free(struct bench_batch *batch);

uint32_t bench_batch_most_q(const struct bench_batch *batch);
uint32_t bench_batch_most_kv(const struct bench_batch *batch);

/* Tokens at the beginning of a request's KV that lie in pages of another request. */
uint32_t bench_batch_borrowed(const struct bench_batch *batch, uint32_t request, uint32_t page_size);

/* Query tokens of all requests. */
uint64_t bench_batch_tokens(const struct bench_batch *batch);

/* The bounds of its workspace. */
fi_workspace bench_batch_bounds(const struct bench_batch *batch, uint32_t kv_heads);

#endif
