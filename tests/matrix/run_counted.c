/*
 * Plans whose requests share prefixes that are known: what is read is counted. A request is a text of letters: its KV
 * has some pages for each, and those of the same letters from the first on are the same. After them come a few tokens
 * of its own.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/inside.h"
#include "tests/matrix/prefix_check.h"

#include <string.h>

enum {
  LETTER = 128, /* tokens: the least prefix that is shared */
  OWN = 40,
  CASE_REQUESTS = 9,
  LETTERS = 8 /* of a text at most */
};

/* For tiles of four requests. */
static const struct counted_case {
  const char *what;
  const char *requests[CASE_REQUESTS];
  uint32_t own;     /* tokens at the end of each request */
  uint32_t letters; /* that are read on a head */
  uint32_t widest;  /* requests of an item */
  uint32_t deepest; /* items of a row with several requests */
} cases[] = {
    {"nothing", {"abcd", "bbcd", "c", "d", ""}, OWN, 10, 1, 0},
    {"later pages alone", {"abcd", "bbcd", "cbcd"}, OWN, 12, 1, 0},
    {"a prefix of two tiles", {"abcd", "abcd", "abcd", "abcd", "abcd", "abcd", "abcd", "abcd"}, OWN, 8, 4, 1},
    {"one more than a tile", {"abcd", "abcd", "x", "abcd", "abcd", "abcd"}, OWN, 9, 4, 1},
    {"pairs in a prefix", {"abc", "abd", "abe", "abf", "abf", "abe", "abd", "abc"}, OWN, 8, 4, 2},
    {"threes in a prefix, each in a tile", {"abx", "aby", "abx", "aby", "abx", "aby"}, OWN, 6, 3, 1},
    {"a tile that is filled", {"abx", "aby", "abx", "abz", "abx"}, OWN, 7, 4, 2},
    {"prefixes in prefixes", {"abcd", "abce", "abx", "ay"}, OWN, 7, 4, 3},
    {"several groups, one after the other", {"ab", "cd", "ab", "ef", "cd", "ab", "ef"}, OWN, 6, 3, 1},
    {"one request is another's beginning", {"abcd", "ab", "abcd"}, OWN, 4, 3, 2},
    {"equal requests, whose last page is whole", {"abc", "abc"}, 0, 4, 2, 1},
    {"nothing again", {"a", "b"}, OWN, 2, 1, 0},
};

struct counted_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
};

static uint32_t count_requests(const struct counted_case *of) {
  uint32_t count = 0;
  while (count < CASE_REQUESTS && of->requests[count])
    count++;
  return count;
}

/* The first request whose text begins with the first `letters` of a request's. */
static uint32_t first_with(const struct counted_case *of, uint32_t request, uint32_t letters) {
  uint32_t first = 0;
  while (strncmp(of->requests[first], of->requests[request], letters) != 0 || strlen(of->requests[first]) < letters)
    first++;
  return first;
}

/* Every request has page ids of its own, and takes those of the first that has the same letters up to there. */
static void fill(struct counted_run *run, const struct counted_case *of) {
  struct batch_case *batch = &run->batch;
  int32_t *table = batch_case_ints(batch, BUFFER_PAGE_TABLE);
  const uint32_t page_size = batch->spec.page_size;
  batch->requests = count_requests(of);
  batch->tokens = batch->requests;
  batch_case_ints(batch, BUFFER_Q_INDPTR)[0] = 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t letters = (uint32_t)strlen(of->requests[r]);
    batch->q_len[r] = 1;
    batch->kv_len[r] = letters * LETTER + of->own;
    batch_case_ints(batch, BUFFER_KV_LEN)[r] = (int32_t)batch->kv_len[r];
    batch_case_ints(batch, BUFFER_Q_INDPTR)[r + 1] = (int32_t)r + 1;
    for (uint32_t page = 0; page * page_size < batch->kv_len[r]; page++) {
      const uint32_t letter = page * page_size / LETTER;
      const uint32_t owner = letter < letters ? first_with(of, r, letter + 1) : r;
      table[r * (size_t)batch->page_table_stride + page] = (int32_t)(owner * batch->page_table_stride + page);
    }
  }
  for (enum buffer buffer = BUFFER_Q_INDPTR; buffer <= BUFFER_PAGE_TABLE; buffer++)
    mirror_upload(&batch->buffers[buffer], &run->trial->device, batch->buffers[buffer].bytes);
}

static bool check_case(struct counted_run *run, const struct counted_case *of) {
  const struct batch_case *batch = &run->batch;
  struct prefix_cost cost;
  fill(run, of);
  const fi_batch lengths = batch_case_lengths(batch, false);
  if (!trial_ok(run->trial, "fi_plan", fi_plan(run->kernel, &lengths, &batch->workspace, NULL)))
    return false;
  device_sync(&run->trial->device, NULL);
  if (!prefix_check(run->trial, batch, run->kernel, &cost))
    return false;
  const uint64_t read = of->letters * LETTER + batch->requests * of->own;
  if (cost.read == read && cost.widest == of->widest && cost.deepest == of->deepest)
    return true;
  return trial_fail(
      run->trial, "%s: %llu KV tokens are read, by up to %u requests at once, %u deep; expected %llu, %u, %u", of->what,
      (unsigned long long)cost.read, cost.widest, cost.deepest, (unsigned long long)read, of->widest, of->deepest);
}

/* All cases in one workspace, as replays of a graph are. */
static bool check_cases(struct counted_run *run) {
  struct batch_case *batch = &run->batch;
  const size_t pages = (LETTERS * LETTER) / batch->spec.page_size;
  batch->page_table_stride = (int64_t)pages;
  batch->workspace = (fi_workspace){
      .struct_size = sizeof batch->workspace,
      .max_requests = CASE_REQUESTS,
      .max_tokens = CASE_REQUESTS,
      .max_kv_len = LETTERS * LETTER,
      .kv_heads = batch->kv_heads,
      .ctas = trial_between(run->trial, 1, 40),
  };
  bool passed = batch_case_buffer(batch, run->trial, BUFFER_Q_INDPTR, CASE_REQUESTS + 1, sizeof(int32_t)) &&
                batch_case_buffer(batch, run->trial, BUFFER_KV_LEN, CASE_REQUESTS, sizeof(int32_t)) &&
                batch_case_buffer(batch, run->trial, BUFFER_PAGE_TABLE, CASE_REQUESTS * pages, sizeof(int32_t)) &&
                batch_case_reserve(batch, run->trial, run->kernel);
  for (size_t i = 0; i < sizeof cases / sizeof *cases && passed; i++)
    passed = check_case(run, &cases[i]);
  return passed;
}

bool run_counted(struct trial *trial, const fi_spec *canonical) {
  struct counted_run run = {.trial = trial};
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &run.kernel)))
    return false;
  run.batch = (struct batch_case){
      .spec = *canonical,
      .tile = *inside_tile(run.kernel),
      .kind = BATCH_SHARED,
      .kv_heads = trial_between(trial, 1, 3),
  };
  const bool passed = check_cases(&run);
  batch_case_free(&run.batch, trial);
  return passed;
}
