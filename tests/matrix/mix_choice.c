/* The division of a batch among members, once more: in doubles, one set after the other. */
#include "tests/matrix/mix_choice.h"

#include "generator/derived.h"

#include <math.h>

static const double close_to = 1e-3; /* relative, of costs */

static int least(int a, int b) {
  return a < b ? a : b;
}

/* As the plan counts: tiles, each with the KV that the middle token sees, and half a tile more. */
static double cost_of(const struct fi_member *member, const struct batch_case *batch, uint32_t request) {
  const int tokens = (int)batch->q_len[request];
  const int kv_len = (int)batch->kv_len[request];
  const int tiles = (tokens + member->tile_tokens - 1) / member->tile_tokens;
  const int hidden = batch->spec.mask == FI_MASK_CAUSAL ? (tokens + 1) / 2 - 1 : 0;
  const int middle = kv_len > hidden ? kv_len - hidden : 0;
  const int seen = least(kv_len, middle + least(tokens, member->tile_tokens) / 2);
  return tiles * (seen * (double)member->token_cost + (double)member->tile_cost);
}

/* The cheapest member of a set for a request. The first, if they cost the same; -1 if that is not certain. */
static int choice_of(const struct fi_member *members, uint32_t set, const struct batch_case *batch, uint32_t request,
                     double *cost) {
  int best = -1;
  bool is_close = false;
  for (int m = 0; set >> m; m++) {
    const double own = cost_of(&members[m], batch, request);
    if ((set >> m & 1) == 0)
      continue;
    is_close = best >= 0 && own != *cost && fabs(own - *cost) < close_to * *cost;
    if (best < 0 || own < *cost) {
      best = m;
      *cost = own;
    }
  }
  return is_close ? -1 : best;
}

/* What a batch costs with a set of members, one after the other. */
static double cost_of_set(const struct fi_member *members, uint32_t set, const struct batch_case *batch) {
  double sum = 0;
  for (int m = 0; set >> m; m++)
    sum += set >> m & 1 ? (double)members[m].launch_cost : 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    double cost = 0;
    choice_of(members, set, batch, r, &cost);
    sum += cost;
  }
  return sum;
}

/* The cheapest of all sets; 0 if that is not certain. */
static uint32_t best_set(const struct fi_member *members, uint32_t count, const struct batch_case *batch) {
  const uint32_t all = (1u << count) - 1;
  uint32_t best = 1;
  for (uint32_t set = 2; set <= all; set++)
    if (cost_of_set(members, set, batch) < cost_of_set(members, best, batch))
      best = set;
  const double least_cost = cost_of_set(members, best, batch);
  for (uint32_t set = 1; set <= all; set++)
    if (set != best && cost_of_set(members, set, batch) < least_cost * (1 + close_to))
      return 0;
  return batch->workspace.split_tokens ? all : best;
}

bool mix_choice(const struct fi_member *members, uint32_t count, const struct batch_case *batch, uint32_t *busy) {
  const uint32_t set = best_set(members, count, batch);
  *busy = 0;
  for (uint32_t r = 0; set && r < batch->requests; r++) {
    double cost = 0;
    const int member = choice_of(members, set, batch, r, &cost);
    if (member < 0)
      return false;
    *busy |= (batch->q_len[r] > 0 ? 1u : 0u) << member;
  }
  return set > 0 && !derived_has_intervals(&batch->spec);
}
