/* That verification of lists finds what is wrong: lists are the reference's own, then damaged. */
#include "tools/flashjit/verify_lists.h"

#include "tools/common/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DIM = 32, GROUP = 2, TOKENS = 6, KV = 40, PAGE = 8, MOST = 7, LISTS = 2 };

/* A request whose last 6 of 40 tokens are queries; each has a list, or one for each head. */
struct scene {
  struct lists_step step;
  uint16_t q[TOKENS * GROUP * DIM];
  uint16_t k[KV * DIM];
  float weights[TOKENS * GROUP];
  int32_t lists[TOKENS * LISTS * MOST];
};

static const int32_t page_table[] = {4, 0, 2, 1, 3};
static const int32_t q_indptr[] = {0, TOKENS};
static const int32_t kv_len[] = {KV};

static uint32_t lists_of(const struct scene *scene) {
  return scene->step.reference.spec.scores == FI_SCORES_HEADS ? GROUP : 1;
}

static int32_t *list_of(struct scene *scene, uint32_t i, uint32_t number) {
  return scene->lists + (i * lists_of(scene) + number) * MOST;
}

/* The blocks that the list must have, and then those with the best scores, in rising order. */
static void choose(struct scene *scene, uint32_t i, uint32_t number) {
  const struct reference *reference = &scene->step.reference;
  const int64_t end = KV - TOKENS + i + 1;
  const uint32_t blocks = (uint32_t)((end + reference->spec.select - 1) / reference->spec.select);
  bool is_chosen[KV] = {false};
  int32_t *list = list_of(scene, i, number);
  uint32_t count = 0;
  for (uint32_t b = 0; b < blocks; b++)
    is_chosen[b] = b < reference->tensors.first_blocks || b + reference->tensors.last_blocks >= blocks;
  for (uint32_t b = 0; b < blocks; b++)
    count += is_chosen[b];
  for (; count < MOST && count < blocks; count++) {
    uint32_t best = KV;
    for (uint32_t b = 0; b < blocks; b++) {
      if (!is_chosen[b] && (best == KV || reference_score(reference, 0, i, number, b, end).value >
                                              reference_score(reference, 0, i, number, best, end).value))
        best = b;
    }
    is_chosen[best] = true;
  }
  for (uint32_t b = 0; b < blocks; b++) {
    if (is_chosen[b])
      *list++ = (int32_t)b;
  }
}

static void make(struct scene *scene, uint32_t scores, uint32_t select) {
  random_state random = 5;
  memset(scene, 0xff, sizeof *scene);
  scene->step = (struct lists_step){.budget = 1e9};
  struct reference *reference = &scene->step.reference;
  fi_spec_init(&reference->spec);
  reference->spec.op = FI_OP_INDEXER;
  reference->spec.head_dim = DIM;
  reference->spec.group = GROUP;
  reference->spec.q_dtype = reference->spec.kv_dtype = FI_BF16;
  reference->spec.page_size = PAGE;
  reference->spec.scores = scores;
  reference->spec.select = select;
  reference->kv_heads = 1;
  reference->max_selected = MOST;
  reference->batch = (fi_batch){
      .requests = 1, .q_indptr = q_indptr, .kv_len = kv_len, .page_table = page_table, .page_table_stride = 5};
  reference->tensors =
      (fi_tensors){.q = scene->q, .k.data = scene->k, .weights = scene->weights, .lists = scene->lists};
  random_normal(&random, FI_BF16, scene->q, TOKENS * GROUP * DIM);
  random_normal(&random, FI_BF16, scene->k, KV * DIM);
  for (int i = 0; i < TOKENS * GROUP; i++)
    scene->weights[i] = (float)random_below(&random, 100) / 100 - 0.25f;
  if (select > 1) {
    reference->tensors.first_blocks = 1;
    reference->tensors.last_blocks = 1;
  }
  for (uint32_t i = 0; i < TOKENS; i++) {
    for (uint32_t number = 0; number < lists_of(scene); number++)
      choose(scene, i, number);
  }
}

static void expect_wrong(const struct scene *scene, const char *what, uint32_t token, uint32_t list, int64_t block) {
  struct lists_verdict verdict;
  cr_assert(verify_lists(&scene->step, &verdict));
  cr_assert_not_null(verdict.first.what, "expected: %s", what);
  cr_expect_str_eq(verdict.first.what, what);
  cr_expect_eq(verdict.first.token, token);
  cr_expect_eq(verdict.first.list, list);
  cr_expect_eq(verdict.first.block, block, "%lld", (long long)verdict.first.block);
  cr_expect_gt(verdict.excess, 1);
}

Test(verify_lists, right) {
  static struct scene scene;
  struct lists_verdict verdict;
  for (uint32_t scores = FI_SCORES_SUM; scores <= FI_SCORES_HEADS; scores++) {
    make(&scene, scores, scores == FI_SCORES_HEADS ? 3 : 1);
    cr_assert(verify_lists(&scene.step, &verdict));
    cr_expect_null(verdict.first.what, "%s", verdict.first.what);
    cr_expect_eq(verdict.lists, TOKENS * lists_of(&scene));
    cr_expect_eq(verdict.checked, verdict.lists);
    cr_expect_eq(verdict.excess, 0);
    scene.step.budget = 1; /* all are looked at, of one the scores compared */
    cr_assert(verify_lists(&scene.step, &verdict));
    cr_expect_eq(verdict.lists, TOKENS * lists_of(&scene));
    cr_expect_eq(verdict.checked, 1);
  }
}

/* In place of an entry the next block that is not listed, which has a smaller score. */
Test(verify_lists, a_worse_block) {
  static struct scene scene;
  for (uint32_t scores = FI_SCORES_SUM; scores <= FI_SCORES_HEADS; scores++) {
    uint32_t e = 1; /* the first may be one that each list has */
    make(&scene, scores, scores == FI_SCORES_HEADS ? 3 : 1);
    int32_t *list = list_of(&scene, 3, lists_of(&scene) - 1);
    while (list[e] + 1 == list[e + 1])
      e++;
    list[e]++;
    expect_wrong(&scene, " is listed instead of", KV - TOKENS + 3, lists_of(&scene) - 1, list[e]);
  }
}

Test(verify_lists, wrong_forms) {
  static const struct {
    uint32_t entry;
    int32_t block;
    const char *what;
  } rows[] = {
      {2, 0, ", which does not rise"},
      {2, -1, ", which is no block that it sees"},
      {MOST - 1, 13, ", which is no block that it sees"}, /* of 40 tokens 36 are seen: 12 blocks of 3 */
      {0, 1, " in a list without one that each has:"},
  };
  static struct scene scene;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    make(&scene, FI_SCORES_HEADS, 3);
    int32_t *list = list_of(&scene, 1, 1);
    if (rows[i].entry == 0 && list[1] == 1)
      list[1] = list[2] - 1;
    list[rows[i].entry] = rows[i].block;
    expect_wrong(&scene, rows[i].what, KV - TOKENS + 1, 1, rows[i].block);
  }
}

Test(verify_lists, a_block_in_place_of_a_hole) {
  static const int32_t short_len[] = {TOKENS};
  static struct scene scene;
  make(&scene, FI_SCORES_SUM, 1);
  scene.step.reference.batch.kv_len = short_len;
  for (uint32_t i = 0; i < TOKENS; i++) {
    for (int32_t e = 0; e < MOST; e++)
      list_of(&scene, i, 0)[e] = e <= (int32_t)i ? e : -1;
  }
  struct lists_verdict verdict;
  cr_assert(verify_lists(&scene.step, &verdict));
  cr_expect_null(verdict.first.what, "%s", verdict.first.what);
  list_of(&scene, 2, 0)[3] = 3;
  expect_wrong(&scene, " in place of a hole", 2, 0, 3);
}
