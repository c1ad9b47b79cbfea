/* A plan that is checked, and what its items should be. */
#ifndef TESTS_MATRIX_PLAN_ITEMS_H
#define TESTS_MATRIX_PLAN_ITEMS_H

#include "tests/matrix/plan_check.h"
#include "tests/matrix/plan_view.h"

#include <stdbool.h>

struct extent {
  int begin;
  int end;
};

struct check {
  struct trial *trial;
  const struct planned *planned;
  struct plan_view view;
  uint32_t member;          /* whose plan it is */
  uint32_t tokens;          /* with those that belong to nobody */
  bool *is_own;             /* [tokens] rows of requests that are this plan's */
  uint32_t *owner_of;       /* [tokens] 1 + the member that a row is of; 0: none yet */
  uint32_t *request_of;     /* [tokens] */
  struct fi_interval *seen; /* [tokens] the KV that each row sees */
  const struct fi_item **items;
  uint32_t item_count;
  struct extent *partials; /* rows of partial results */
  uint32_t partial_count;
  bool *counts_slices; /* of units: the slices of one are counted there */
};

static inline int least(int a, int b) {
  return a < b ? a : b;
}

static inline int most(int a, int b) {
  return a > b ? a : b;
}

/* KV tokens of a step: the most that a fixed piece has. */
int plan_step_tokens(const struct check *check);

/* The KV that rows of an item's tile see: that from what the first one sees on, to what the last one sees. */
struct fi_interval plan_kv_of(const struct check *check, const struct fi_item *item);

/* Where the steps of an item's unit begin. */
int plan_first_of_steps(const struct check *check, const struct fi_item *item);

/* Tells of an item, and is false. */
bool plan_item_fails(const struct check *check, const struct fi_item *item, const char *why);

/* The first of the plan's own rows from one on; `tokens` after the last. */
int plan_next_own(const struct check *check, int row);

/* Whether CTAs claim the items from a queue. */
bool plan_is_queued(const struct check *check);

/* How the items are divided among the CTAs. Lists them in check->items. */
bool plan_check_division(struct check *check);

#endif
