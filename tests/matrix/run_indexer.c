/* An indexer: lists in order, with the best blocks, and the first of equal ones; nothing else written. */
#include "tests/matrix/runs.h"

#include "tests/matrix/batch_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HOLE = -1, MOST_BLOCKS = 4096 };

/* Of sums in single precision, relative to the sizes of what is added. */
static const double float_error = 0x1p-20;

/* Measures of a batch: some requests are longer than a step of the indexer. */
static const struct tile index_tile = {.tokens = 3, .stages = 2, .teams = 1, .team_tokens = 48};

/* A list that is looked at. */
struct looked {
  const struct batch_case *batch;
  const struct reference *reference;
  uint32_t request, i, list;
  uint32_t blocks; /* that its query token sees */
  uint32_t count;  /* that it must have */
  struct score scores[MOST_BLOCKS];
  bool is_chosen[MOST_BLOCKS];
};

static bool fail(struct trial *trial, const struct looked *looked, const char *what, uint32_t block, uint32_t other) {
  return trial_fail(trial,
                    "request %u (q_len %u, kv_len %u), token %u, list %u: block %u %s %u (scores %.9g and %.9g; %u of "
                    "%u blocks, %u first and %u last ones, %s numbers)",
                    looked->request, looked->batch->q_len[looked->request], looked->batch->kv_len[looked->request],
                    looked->i, looked->list, block, what, other, looked->scores[block].value,
                    looked->scores[other].value, looked->count, looked->blocks, looked->batch->first_blocks,
                    looked->batch->last_blocks, looked->batch->is_whole ? "whole" : "any");
}

static bool is_forced(const struct looked *looked, uint32_t block) {
  return block < looked->batch->first_blocks || block + looked->batch->last_blocks >= looked->blocks;
}

/* What a list is of: blocks that there are, in rising order, then holes. */
static bool read_list(struct trial *trial, struct looked *looked, const int32_t *list) {
  memset(looked->is_chosen, 0, sizeof looked->is_chosen);
  for (uint32_t entry = 0; entry < looked->batch->workspace.max_selected; entry++) {
    const bool is_hole = entry >= looked->count;
    const bool is_block = list[entry] >= 0 && (uint32_t)list[entry] < looked->blocks;
    const bool rises = entry == 0 || list[entry] > list[entry - 1];
    if (is_hole ? list[entry] != HOLE : !is_block || !rises)
      return trial_fail(trial, "request %u, token %u, list %u: entry %u is %d; %u of %u blocks", looked->request,
                        looked->i, looked->list, entry, list[entry], looked->count, looked->blocks);
    if (!is_hole)
      looked->is_chosen[list[entry]] = true;
  }
  return true;
}

/* Whether block a may be in the list without b. */
static bool may_precede(const struct looked *looked, uint32_t a, uint32_t b) {
  const struct score *first = &looked->scores[a];
  const struct score *second = &looked->scores[b];
  if (is_forced(looked, a) || is_forced(looked, b))
    return is_forced(looked, a);
  if (looked->batch->is_whole)
    return first->value > second->value || (first->value == second->value && a < b);
  return first->value >= second->value - float_error * (first->size + second->size);
}

static bool check_choice(struct trial *trial, const struct looked *looked) {
  for (uint32_t a = 0; a < looked->blocks; a++) {
    for (uint32_t b = 0; b < looked->blocks && looked->is_chosen[a]; b++) {
      if (!looked->is_chosen[b] && !may_precede(looked, a, b))
        return fail(trial, looked, "is listed instead of", a, b);
    }
  }
  return true;
}

static int32_t *list_at(const struct batch_case *batch, uint32_t token, uint32_t list, uint32_t lists) {
  const int64_t most = batch->workspace.max_selected;
  const int64_t head_stride = batch->list_head_stride ? batch->list_head_stride : most;
  const int64_t token_stride = batch->list_token_stride ? batch->list_token_stride : lists * head_stride;
  return batch_case_ints(batch, BUFFER_LISTS) + token * token_stride + list * head_stride;
}

/* Checks a list, then poisons it: what is left in the end nobody may have written. */
static bool check_list(struct trial *trial, struct looked *looked, int32_t *list) {
  const struct batch_case *batch = looked->batch;
  const int64_t end = (int64_t)batch->kv_len[looked->request] - batch->q_len[looked->request] + looked->i + 1;
  const uint32_t most = batch->workspace.max_selected;
  looked->blocks = end > 0 ? ((uint32_t)end + batch->spec.select - 1) / batch->spec.select : 0;
  looked->count = looked->blocks < most ? looked->blocks : most;
  if (looked->blocks > MOST_BLOCKS)
    return trial_fail(trial, "%u blocks are too many for this test", looked->blocks);
  for (uint32_t b = 0; b < looked->blocks && looked->count < looked->blocks; b++)
    looked->scores[b] = reference_score(looked->reference, looked->request, looked->i, looked->list, b, end);
  const bool passed = read_list(trial, looked, list) && check_choice(trial, looked);
  memset(list, POISON, most * sizeof *list);
  trial->rows++;
  return passed;
}

/* Query tokens before the first request's have lists of holes. */
static bool check_nobody(struct trial *trial, const struct batch_case *batch, uint32_t lists) {
  for (uint32_t i = 0; i < batch->first_token * lists; i++) {
    int32_t *list = list_at(batch, i / lists, i % lists, lists);
    for (uint32_t entry = 0; entry < batch->workspace.max_selected; entry++) {
      if (list[entry] != HOLE)
        return trial_fail(trial, "token %u of nobody has block %d in a list", i / lists, list[entry]);
    }
    memset(list, POISON, batch->workspace.max_selected * sizeof *list);
  }
  return true;
}

static bool check_lists(struct trial *trial, const struct batch_case *batch, struct looked *looked) {
  const struct reference reference = batch_case_reference(batch);
  const uint32_t group = batch->spec.scores == FI_SCORES_HEADS ? batch->spec.group : 1;
  const uint32_t lists = batch->kv_heads * group;
  const struct mirror *made = &batch->buffers[BUFFER_LISTS];
  looked->batch = batch;
  looked->reference = &reference;
  for (looked->request = 0; looked->request < batch->requests; looked->request++) {
    for (looked->i = 0; looked->i < batch->q_len[looked->request]; looked->i++) {
      const uint32_t token = reference_query_begin(&reference, looked->request) + looked->i;
      for (looked->list = 0; looked->list < lists; looked->list++) {
        if (!check_list(trial, looked, list_at(batch, token, looked->list, lists)))
          return false;
      }
    }
  }
  if (!check_nobody(trial, batch, lists))
    return false;
  for (size_t i = 0; i < made->bytes; i++) {
    if (((unsigned char *)made->host)[i] != POISON)
      return trial_fail(trial, "byte %zu beside the lists was written", i);
  }
  return true;
}

static bool launch(struct trial *trial, fi_kernel *kernel, const struct batch_case *batch) {
  const struct mirror *made = &batch->buffers[BUFFER_LISTS];
  const fi_tensors tensors = batch_case_tensors(batch, false);
  device_fill(&trial->device, made->device, POISON, made->bytes);
  if (!trial_ok(trial, "fi_run", fi_run(kernel, &tensors, &batch->workspace, NULL)))
    return false;
  device_sync(&trial->device, NULL);
  if (!trial_ok(trial, "the indexer", FI_OK))
    return false;
  mirror_download(made, &trial->device, made->bytes);
  return trial_ok(trial, "the download", FI_OK);
}

static bool run_batch(struct trial *trial, fi_kernel *kernel, fi_kernel *planner, struct batch_case *batch) {
  const fi_batch lengths = batch_case_lengths(batch, false);
  struct looked *looked = malloc(sizeof *looked);
  batch->workspace.split_tokens = 0;
  const bool passed = (looked || trial_fail(trial, "no memory for the scores")) &&
                      batch_case_reserve_both(batch, trial, kernel, planner) &&
                      trial_ok(trial, "fi_plan", fi_plan(planner, &lengths, &batch->workspace, NULL)) &&
                      launch(trial, kernel, batch) && check_lists(trial, batch, looked);
  free(looked);
  return passed;
}

/* Attention on lists as the indexer makes them, of KV that lies as its keys do. */
static fi_spec attention_of(const fi_spec *indexer) {
  fi_spec spec;
  fi_spec_init(&spec);
  spec.head_dim = 32;
  spec.index = indexer->index;
  spec.page_size = indexer->page_size;
  spec.page_ids = indexer->page_ids;
  spec.select = indexer->select;
  return spec;
}

/* The indexer has a plan of its own in one batch, and that of an attention kernel in the next; of a cache alone, which
 * need not have this one, its own again. */
bool run_indexer(struct trial *trial, const fi_spec *canonical) {
  const fi_spec attention = attention_of(canonical);
  fi_kernel *kernel;
  fi_kernel *other;
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)))
    return false;
  const fi_status status = fi_get_kernel(trial->ctx, &attention, &other);
  if (status == FI_ERROR_NOT_CACHED)
    other = kernel;
  bool passed = status == FI_ERROR_NOT_CACHED || trial_ok(trial, "fi_get_kernel", status);
  for (enum batch_kind kind = BATCH_MIXED; kind <= BATCH_SINGLE && passed; kind++) {
    struct batch_case batch;
    fi_kernel *planner = kind == BATCH_MIXED ? kernel : other;
    passed =
        batch_case_create(&batch, trial, canonical, &index_tile, kind) && run_batch(trial, kernel, planner, &batch);
    batch_case_free(&batch, trial);
  }
  return passed;
}
