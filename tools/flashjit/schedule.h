/*
 * How a server takes requests through their lives in steps of bounded size: prompts in chunks, beside requests that
 * go on already; then a few tokens at once, single tokens, and a last single token when it has the company of many.
 */
#ifndef TOOLS_FLASHJIT_SCHEDULE_H
#define TOOLS_FLASHJIT_SCHEDULE_H

#include "tools/flashjit/roles.h"
#include "tools/flashjit/trace.h"

/* What a request adds to its KV in one step: tokens begin .. end. Slots are places for requests that run at once. */
struct piece {
  uint32_t slot;
  uint32_t request; /* of the trace */
  uint32_t begin;
  uint32_t end;
  bool is_last; /* of its request, whose slot is free after the step */
};

struct step {
  size_t first; /* piece */
  uint32_t pieces;
  uint32_t tokens;
  enum role attention; /* ROLE_APPEND: the tokens are only appended */
};

struct schedule {
  struct piece *pieces;
  size_t piece_count;
  struct step *steps;
  size_t step_count;
  uint32_t slots;
  uint32_t max_tokens; /* of a step */
  uint32_t max_kv_len;
  size_t tokens; /* of all steps */
};

/* With bounds on the tokens of a step and on the requests that run at once. False, with a problem, without memory. */
bool schedule_make(struct schedule *schedule, const struct trace *trace, uint32_t max_tokens, uint32_t max_requests);
void schedule_free(struct schedule *schedule);

/*
 * What causal attention with the window and chunk of a spec does in a step: pairs of a query and a KV token that it
 * sees, and KV tokens that are read. With lists a query token sees at most `listed` tokens, which it reads alone; 0:
 * there are none.
 */
double step_pairs(const struct schedule *schedule, const struct step *step, const fi_spec *spec, double listed);
double step_kv_tokens(const struct schedule *schedule, const struct step *step, const fi_spec *spec, double listed);

#endif
