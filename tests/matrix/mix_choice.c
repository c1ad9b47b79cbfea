/* The division of a batch among members, once more: in doubles, one set after the other. */
#include "tests/matrix/mix_choice.h"

#include <math.h>

static const double close_to = 1e-3; /* relative, of costs */

/* What each request costs each member. */
struct costs {
  const struct fi_member *members;
  uint32_t requests;
  double of[MOST_REQUESTS][FI_MOST_MEMBERS];
};

static int least(int a, int b) {
  return a < b ? a : b;
}

/* KV that the middle query token of a request sees. */
static int seen_by_middle(const struct reference *reference, uint32_t request, int tokens, int kv_len) {
  int64_t first, end;
  reference_seen(&reference->spec, &reference->batch, request, kv_len, kv_len - (tokens + 1) / 2, &first, &end);
  return (int)(end - first);
}

/* As the plan counts: tiles, each with the KV that the middle token sees, and half a tile more. */
static double cost_of(const struct fi_member *member, int tokens, int kv_len, int middle) {
  const int tiles = (tokens + member->tile_tokens - 1) / member->tile_tokens;
  const int seen = least(kv_len, middle + least(tokens, member->tile_tokens) / 2);
  return tiles * (seen * (double)member->token_cost + (double)member->tile_cost);
}

static void find_costs(struct costs *costs, uint32_t count, const struct batch_case *batch) {
  const struct reference reference = batch_case_reference(batch);
  for (uint32_t r = 0; r < costs->requests; r++) {
    const int tokens = (int)batch->q_len[r];
    const int kv_len = (int)batch->kv_len[r];
    const int middle = seen_by_middle(&reference, r, tokens, kv_len);
    for (uint32_t m = 0; m < count; m++)
      costs->of[r][m] = cost_of(&costs->members[m], tokens, kv_len, middle);
  }
}

static bool is_close(double a, double b) {
  return a != b && fabs(a - b) < close_to * fmax(a, b);
}

/* The cheapest member of a set for a request. The first, if they cost the same; -1 if that is not certain. */
static int choice_of(const struct costs *costs, uint32_t set, uint32_t request) {
  const double *own = costs->of[request];
  int best = -1;
  for (int m = 0; set >> m; m++)
    if ((set >> m & 1) && (best < 0 || own[m] < own[best]))
      best = m;
  for (int m = 0; set >> m; m++)
    if ((set >> m & 1) && is_close(own[m], own[best]))
      return -1;
  return best;
}

/* What a batch costs with a set of members, one after the other. */
static double cost_of_set(const struct costs *costs, uint32_t set) {
  double sum = 0;
  for (int m = 0; set >> m; m++)
    sum += set >> m & 1 ? (double)costs->members[m].launch_cost : 0;
  for (uint32_t r = 0; r < costs->requests; r++) {
    double cheapest = INFINITY;
    for (int m = 0; set >> m; m++)
      cheapest = set >> m & 1 ? fmin(cheapest, costs->of[r][m]) : cheapest;
    sum += cheapest;
  }
  return sum;
}

/* The cheapest of all sets; 0 if that is not certain. */
static uint32_t best_set(const struct costs *costs, uint32_t all) {
  uint32_t best = 1;
  for (uint32_t set = 2; set <= all; set++)
    if (cost_of_set(costs, set) < cost_of_set(costs, best))
      best = set;
  const double least_cost = cost_of_set(costs, best);
  for (uint32_t set = 1; set <= all; set++)
    if (set != best && cost_of_set(costs, set) < least_cost * (1 + close_to))
      return 0;
  return best;
}

bool mix_choice(const struct fi_member *members, uint32_t count, const struct batch_case *batch, uint32_t *busy) {
  struct costs costs = {.members = members, .requests = batch->requests};
  find_costs(&costs, count, batch);
  const uint32_t all = (1u << count) - 1;
  const uint32_t set = batch->workspace.split_tokens ? all : best_set(&costs, all);
  *busy = 0;
  for (uint32_t r = 0; set && r < batch->requests; r++) {
    const int member = choice_of(&costs, set, r);
    if (member < 0)
      return false;
    *busy |= (batch->q_len[r] > 0 ? 1u : 0u) << member;
  }
  return set > 0;
}
