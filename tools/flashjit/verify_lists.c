/*
 * A list has blocks that there are, in rising order, then holes. Of blocks that it could have had and has not, none has
 * a better score than one that it has: looked at are all of these, and of those as many as are worth it.
 */
#include "tools/flashjit/verify_lists.h"

#include "tools/common/random.h"
#include "tools/flashjit/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  HOLE = -1,
  MOST_UNLISTED = 4096,    /* blocks of a list that are compared with those that it has */
  PRODUCTS_OF_DECODING = 8 /* what one costs whose factors are decoded each time */
};

/* Of sums in single precision, relative to the sizes of what is added. */
static const double float_error = 0x1p-20;

struct crew {
  const struct lists_step *step;
  struct lists_verdict *results; /* of each request */
  uint32_t lists;                /* of a query token */
  double fraction;               /* of lists whose scores are compared */
};

/* The list of a query token that is looked at. */
struct looked {
  const struct reference *reference;
  const int32_t *list;
  uint32_t request, i, number;
  int64_t end;     /* of the KV tokens that it sees */
  uint32_t blocks; /* that these are */
  uint32_t count;  /* that it must have */
};

static struct looked look_at(const struct crew *crew, uint32_t request, uint32_t i, uint32_t number) {
  const struct reference *reference = &crew->step->reference;
  const size_t token = reference_query_begin(reference, request) + i;
  const int64_t end = (int64_t)reference_kv_len(reference, request) - reference_query_len(reference, request) + i + 1;
  struct looked looked = {.reference = reference, .request = request, .i = i, .number = number, .end = end};
  looked.blocks = end > 0 ? (uint32_t)((end + reference->spec.select - 1) / reference->spec.select) : 0;
  looked.count = looked.blocks < reference->max_selected ? looked.blocks : reference->max_selected;
  looked.list = reference->tensors.lists + (token * crew->lists + number) * reference->max_selected;
  return looked;
}

static void mismatch(const struct looked *looked, const char *what, int64_t block, int64_t other,
                     struct lists_verdict *verdict) {
  if (!verdict->first.what)
    verdict->first = (struct list_mismatch){.what = what,
                                            .request = looked->request,
                                            .token = (uint32_t)(looked->end - 1),
                                            .list = looked->number,
                                            .block = block,
                                            .other = other};
}

void list_mismatch_text(const struct list_mismatch *mismatch, char text[LIST_MISMATCH_TEXT]) {
  char other[32] = "";
  if (mismatch->other >= 0)
    snprintf(other, sizeof other, " %lld", (long long)mismatch->other);
  snprintf(text, LIST_MISMATCH_TEXT, "request %u, token %u, list %u: block %lld%s%s", mismatch->request,
           mismatch->token, mismatch->list, (long long)mismatch->block, mismatch->what, other);
}

/* ------------------------------------------------------------------------------------------------ form */

static bool is_forced(const struct looked *looked, uint32_t block) {
  const fi_tensors *tensors = &looked->reference->tensors;
  return block < tensors->first_blocks || block + tensors->last_blocks >= looked->blocks;
}

static bool is_listed(const struct looked *looked, uint32_t block) {
  uint32_t first = 0;
  uint32_t end = looked->count;
  while (first < end) { /* it rises */
    const uint32_t middle = (first + end) / 2;
    if ((uint32_t)looked->list[middle] < block)
      first = middle + 1;
    else
      end = middle;
  }
  return first < looked->count && (uint32_t)looked->list[first] == block;
}

/* Of the blocks that each list has, these. */
static bool check_forced(const struct looked *looked, uint32_t first, uint32_t end, struct lists_verdict *verdict) {
  for (uint32_t b = first; b < end && b < looked->blocks; b++) {
    if (is_listed(looked, b))
      continue;
    mismatch(looked, " in a list without one that each has:", looked->list[0], b, verdict);
    return false;
  }
  return true;
}

static bool check_form(const struct looked *looked, struct lists_verdict *verdict) {
  const int32_t *list = looked->list;
  const uint32_t last_blocks = looked->reference->tensors.last_blocks;
  const uint32_t last = last_blocks < looked->blocks ? last_blocks : looked->blocks;
  for (uint32_t e = 0; e < looked->reference->max_selected; e++) {
    const bool is_block = list[e] >= 0 && (uint32_t)list[e] < looked->blocks;
    const char *wrong = e >= looked->count                ? (list[e] == HOLE ? NULL : " in place of a hole")
                        : !is_block                       ? ", which is no block that it sees"
                        : e > 0 && list[e] <= list[e - 1] ? ", which does not rise"
                                                          : NULL;
    if (!wrong)
      continue;
    mismatch(looked, wrong, list[e], -1, verdict);
    return false;
  }
  return check_forced(looked, 0, looked->reference->tensors.first_blocks, verdict) &&
         check_forced(looked, looked->blocks - last, looked->blocks, verdict);
}

/* ------------------------------------------------------------------------------------------------ choice */

/* A block with the best score that it may have, or the worst. */
struct bound {
  int64_t block;
  double value;
  double size;
};

static struct score score_of(const struct looked *looked, uint32_t block) {
  return reference_score(looked->reference, looked->request, looked->i, looked->number, block, looked->end);
}

static struct bound worst_listed(const struct looked *looked) {
  struct bound worst = {HOLE, INFINITY, 0};
  for (uint32_t e = 0; e < looked->count; e++) {
    if (is_forced(looked, (uint32_t)looked->list[e]))
      continue;
    const struct score score = score_of(looked, (uint32_t)looked->list[e]);
    if (score.value < worst.value)
      worst = (struct bound){looked->list[e], score.value, score.size};
  }
  return worst;
}

static void compare(const struct looked *looked, const struct bound *worst, uint32_t block,
                    struct lists_verdict *verdict) {
  const struct score score = score_of(looked, block);
  const double allowed = float_error * (score.size + worst->size);
  const double excess = score.value > worst->value ? (score.value - worst->value) / allowed : 0;
  verdict->excess = fmax(verdict->excess, excess);
  if (!(excess <= 1))
    mismatch(looked, " is listed instead of", worst->block, block, verdict);
}

/* Of many blocks one from each of equal parts. */
static void check_choice(const struct looked *looked, random_state random, struct lists_verdict *verdict) {
  const struct bound worst = worst_listed(looked);
  const uint32_t unlisted = looked->blocks - looked->count;
  const bool has_all = unlisted <= MOST_UNLISTED;
  const uint32_t parts = has_all ? looked->blocks : MOST_UNLISTED;
  for (uint32_t part = 0; part < parts && worst.block != HOLE; part++) {
    const uint32_t first = (uint32_t)((uint64_t)part * looked->blocks / parts);
    const uint32_t end = (uint32_t)((uint64_t)(part + 1) * looked->blocks / parts);
    const uint32_t block = first + random_below(&random, end - first);
    if (!is_listed(looked, block))
      compare(looked, &worst, block, verdict);
  }
}

/* ------------------------------------------------------------------------------------------------ jobs */

static double products_of_list(const struct reference *reference, uint32_t kv_len) {
  const fi_spec *spec = &reference->spec;
  const double most = ((double)reference->max_selected + MOST_UNLISTED) * spec->select;
  const double heads = spec->scores == FI_SCORES_HEADS ? 1 : spec->group;
  return fmin(kv_len, most) * heads * spec->head_dim * PRODUCTS_OF_DECODING;
}

static double fraction_of(const struct lists_step *step, uint32_t lists) {
  const struct reference *reference = &step->reference;
  double products = 0;
  for (uint32_t r = 0; r < reference->batch.requests; r++)
    products +=
        (double)reference_query_len(reference, r) * lists * products_of_list(reference, reference_kv_len(reference, r));
  return products > step->budget ? step->budget / products : 1;
}

/* One that is compared whatever the budget is. */
static bool is_last(const struct crew *crew, const struct looked *looked) {
  const struct reference *reference = looked->reference;
  return looked->request == crew->step->seed % reference->batch.requests && looked->number + 1 == crew->lists &&
         looked->i + 1 == reference_query_len(reference, looked->request);
}

static void check_list(const struct crew *crew, const struct looked *looked, struct lists_verdict *verdict) {
  random_state random =
      crew->step->seed ^ ((uint64_t)looked->request << 40) ^ ((uint64_t)looked->number << 32) ^ looked->i;
  const bool is_drawn = (double)(random_next(&random) >> 11) * 0x1p-53 < crew->fraction || is_last(crew, looked);
  const bool is_choice = looked->count < looked->blocks;
  verdict->lists++;
  if (!check_form(looked, verdict))
    verdict->excess = INFINITY;
  else if (is_choice && is_drawn)
    check_choice(looked, random, verdict);
  verdict->checked += !is_choice || is_drawn;
}

static void do_request(void *user, size_t job) {
  const struct crew *crew = user;
  const uint32_t request = (uint32_t)job;
  for (uint32_t i = 0; i < reference_query_len(&crew->step->reference, request); i++) {
    for (uint32_t number = 0; number < crew->lists; number++) {
      const struct looked looked = look_at(crew, request, i, number);
      check_list(crew, &looked, &crew->results[job]);
    }
  }
}

bool verify_lists(const struct lists_step *step, struct lists_verdict *verdict) {
  const struct reference *reference = &step->reference;
  const uint32_t group = reference->spec.scores == FI_SCORES_HEADS ? reference->spec.group : 1;
  struct crew crew = {.step = step, .lists = reference->kv_heads * group};
  crew.fraction = fraction_of(step, crew.lists);
  crew.results = calloc(reference->batch.requests, sizeof *crew.results);
  *verdict = (struct lists_verdict){0};
  if (!crew.results)
    return false;
  parallel_run(reference->batch.requests, do_request, &crew);
  for (uint32_t r = 0; r < reference->batch.requests; r++) {
    const struct lists_verdict *part = &crew.results[r];
    verdict->lists += part->lists;
    verdict->checked += part->checked;
    verdict->excess = fmax(verdict->excess, part->excess);
    if (!verdict->first.what)
      verdict->first = part->first;
  }
  free(crew.results);
  return true;
}
