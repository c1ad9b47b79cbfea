/*
 * How a batch of requests lives: its prompts at once, a few tokens at once, then one token a step. Each phase
 * appends the tokens of every request between two marks on its KV, and computes their attention.
 */
#ifndef TOOLS_FLASHJIT_PHASES_H
#define TOOLS_FLASHJIT_PHASES_H

#include "tools/flashjit/roles.h"
#include "tools/flashjit/trace.h"

enum { PHASES = 5 };

struct phase {
  const char *name;
  enum role attention; /* ROLE_APPEND: the tokens are only appended */
};

extern const struct phase phases[PHASES];

/* Phase p of a request takes tokens mark[p] .. mark[p + 1] of its KV. */
struct marks {
  uint32_t mark[PHASES + 1];
};

struct marks phase_marks(const struct request *request);

/* Query tokens of all requests in a phase. */
size_t phase_tokens(const struct marks *marks, size_t requests, int phase);

/* What attention does in a phase: pairs of a query and a KV token that it sees, and KV tokens that are read.
 */
double phase_pairs(const struct marks *marks, size_t requests, int phase);
double phase_kv_tokens(const struct marks *marks, size_t requests, int phase);

#endif
