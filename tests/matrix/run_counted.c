/*
 * Plans whose requests share prefixes that are known: what is read is counted. A request is a text of letters: its KV
 * has some pages for each, and those of the same letters from the first on are the same. Of a capital letter the first
 * half is that of the letter, the second half the request's own; of a # the first half is. After them come a few tokens
 * of its own. Where rows are open letters are long, and what is read is not counted: two kernels share it.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/batch_shares.h"
#include "tests/matrix/inside.h"
#include "tests/matrix/plan_check.h"
#include "tests/matrix/prefix_check.h"

#include <ctype.h>
#include <string.h>

enum {
  LETTER = 128,       /* tokens: the least prefix that is shared */
  LONG_LETTER = 4096, /* where rows are open: what is worth a kernel of more rows */
  MOST_OPEN_CTAS = 100,
  OWN = 40,
  CASE_REQUESTS = 9,
  LETTERS = 26 /* of a text at most */
};

#define ALPHABET "abcdefghijklmnopqrstuvwxyz"

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
    {"too little", {"Abcd", "x", "Abcd", "Ab", "A"}, OWN, 12, 1, 0},
    {"too little, and later pages", {"x", "Abcd", "Bbcd", "Abcd"}, OWN, 13, 1, 0},
    {"not from the first page on", {"x", "#bc", "y", "#b", "#bc"}, OWN, 10, 1, 0},
    {"a letter and a half", {"aB", "c", "aBc", "aB"}, OWN, 6, 3, 1},
    {"a prefix of two tiles", {"abcd", "abcd", "abcd", "abcd", "abcd", "abcd", "abcd", "abcd"}, OWN, 8, 4, 1},
    {"one more than a tile", {"abcd", "abcd", "x", "abcd", "abcd", "abcd"}, OWN, 9, 4, 1},
    {"pairs in a prefix", {"abc", "abd", "abe", "abf", "abf", "abe", "abd", "abc"}, OWN, 8, 4, 2},
    {"threes in a prefix, each in a tile", {"abx", "aby", "abx", "aby", "abx", "aby"}, OWN, 6, 3, 1},
    {"a tile that is filled", {"abx", "aby", "abx", "abz", "abx"}, OWN, 7, 4, 2},
    {"prefixes in prefixes", {"abcd", "abce", "abx", "ay"}, OWN, 7, 4, 3},
    {"several groups, one after the other", {"ab", "cd", "ab", "ef", "cd", "ab", "ef"}, OWN, 6, 3, 1},
    {"one request is another's beginning", {"abcd", "ab", "abcd"}, OWN, 4, 3, 2},
    {"equal requests, whose last page is whole", {"abc", "abc"}, 0, 4, 2, 1},
    {"a long request beside a prefix", {"bc", ALPHABET, "bc"}, OWN, 28, 2, 1},
    {"a long prefix", {ALPHABET, "x", ALPHABET}, OWN, 27, 2, 1},
    {"a long prefix of three tiles",
     {ALPHABET, ALPHABET, ALPHABET, ALPHABET, ALPHABET, ALPHABET, ALPHABET, ALPHABET, ALPHABET},
     OWN,
     78,
     4,
     1},
    {"nothing again", {"a", "b"}, OWN, 2, 1, 0},
};

struct counted_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
  uint32_t letter; /* tokens */
};

static uint32_t count_requests(const struct counted_case *of) {
  uint32_t count = 0;
  while (count < CASE_REQUESTS && of->requests[count])
    count++;
  return count;
}

/* The first request whose text begins with the first letters of a request's, the last of them small or capital. */
static uint32_t first_with(const struct counted_case *of, uint32_t request, uint32_t letters) {
  const char *text = of->requests[request];
  const uint32_t last = letters - 1;
  uint32_t first = 0;
  while (strncmp(of->requests[first], text, last) != 0 || strlen(of->requests[first]) < letters ||
         tolower(of->requests[first][last]) != tolower(text[last]))
    first++;
  return first;
}

/* Whose page a request has: every one has page ids of its own, and takes those of the first with the same letters. */
static uint32_t owner_of(const struct counted_run *run, const struct counted_case *of, uint32_t request,
                         uint32_t token) {
  const char *text = of->requests[request];
  const uint32_t letter = token / run->letter;
  const bool is_first_half = token % run->letter < run->letter / 2;
  if (letter >= strlen(text) || (isupper(text[letter]) && !is_first_half) || (text[letter] == '#' && is_first_half))
    return request;
  return first_with(of, request, letter + 1);
}

static void fill_request(struct counted_run *run, const struct counted_case *of, uint32_t r) {
  struct batch_case *batch = &run->batch;
  const uint32_t page_size = batch->spec.page_size;
  batch->q_len[r] = 1;
  batch->kv_len[r] = (uint32_t)strlen(of->requests[r]) * run->letter + of->own;
  batch_case_ints(batch, BUFFER_KV_LEN)[r] = (int32_t)batch->kv_len[r];
  batch_case_ints(batch, BUFFER_KV_INDPTR)[r + 1] =
      batch_case_ints(batch, BUFFER_KV_INDPTR)[r] + (int32_t)batch_shares_pages(batch, r);
  batch_case_ints(batch, BUFFER_Q_INDPTR)[r + 1] = (int32_t)r + 1;
  for (uint32_t page = 0; page < batch_shares_pages(batch, r); page++)
    batch_case_set_page(batch, batch_shares_entry(batch, r) + page,
                        owner_of(run, of, r, page * page_size) * batch->page_table_stride + page);
}

static void fill(struct counted_run *run, const struct counted_case *of) {
  struct batch_case *batch = &run->batch;
  batch->requests = count_requests(of);
  batch->tokens = batch->requests;
  batch_case_ints(batch, BUFFER_Q_INDPTR)[0] = 0;
  batch_case_ints(batch, BUFFER_KV_INDPTR)[0] = 0;
  for (uint32_t r = 0; r < batch->requests; r++)
    fill_request(run, of, r);
  batch_shares_tell(batch, run->trial, 0);
  for (enum buffer buffer = BUFFER_Q_INDPTR; buffer <= BUFFER_PAGE_TABLE; buffer++)
    mirror_upload(&batch->buffers[buffer], &run->trial->device, batch->buffers[buffer].bytes);
}

/* A batch that shares nothing has the plan that it would have without looking. */
static bool check_unshared(struct counted_run *run, const fi_batch *lengths) {
  const struct batch_case *batch = &run->batch;
  const struct planned planned = {
      .kernel = run->kernel,
      .spec = &batch->spec,
      .workspace = &batch->workspace,
      .page_table = lengths->page_table,
      .requests = batch->requests,
      .q_len = batch->q_len,
      .kv_len = batch->kv_len,
      .kv_indptr = batch->spec.index == FI_INDEX_CSR ? batch_case_ints(batch, BUFFER_KV_INDPTR) : NULL,
  };
  return plan_check(run->trial, &planned);
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
  if (batch->spec.rows == 0)
    return true;
  if (of->widest == 1 && !check_unshared(run, &lengths))
    return false;
  const uint64_t read = of->letters * LETTER + batch->requests * of->own;
  if (cost.read == read && cost.widest == of->widest && cost.deepest == of->deepest)
    return true;
  return trial_fail(
      run->trial, "%s: %llu KV tokens are read, by up to %u requests at once, %u deep; expected %llu, %u, %u", of->what,
      (unsigned long long)cost.read, cost.widest, cost.deepest, (unsigned long long)read, of->widest, of->deepest);
}

/*
 * Every other time so many CTAs that a long request is cut into more pieces than are merged at once, or what is shared
 * into more than the tiles that share it.
 */
static uint32_t draw_ctas(const struct counted_run *run) {
  const uint32_t most = run->batch.kv_heads * 2 * PARTS_AT_ONCE;
  if (run->batch.spec.rows == 0)
    return trial_between(run->trial, trial_chance(run->trial, 2) ? 1 : MOST_OPEN_CTAS * 4 / 5, MOST_OPEN_CTAS);
  return trial_chance(run->trial, 2) ? trial_between(run->trial, 1, PARTS_AT_ONCE)
                                     : trial_between(run->trial, 3 * most / 4, most);
}

/* All cases in one workspace, as replays of a graph are. */
static bool check_cases(struct counted_run *run) {
  struct batch_case *batch = &run->batch;
  const bool wide = batch->spec.page_ids == FI_IDS_INT64;
  const size_t pages = (LETTERS * run->letter + LETTER) / batch->spec.page_size;
  batch->page_table_stride = (int64_t)pages;
  batch->workspace = (fi_workspace){
      .struct_size = sizeof batch->workspace,
      .max_requests = CASE_REQUESTS,
      .max_tokens = CASE_REQUESTS,
      .max_kv_len = LETTERS * run->letter + OWN,
      .kv_heads = batch->kv_heads,
      .ctas = draw_ctas(run),
  };
  bool passed = batch_case_buffer(batch, run->trial, BUFFER_Q_INDPTR, CASE_REQUESTS + 1, sizeof(int32_t)) &&
                batch_case_buffer(batch, run->trial, BUFFER_KV_LEN, CASE_REQUESTS, sizeof(int32_t)) &&
                batch_case_buffer(batch, run->trial, BUFFER_KV_INDPTR, CASE_REQUESTS + 1, sizeof(int32_t)) &&
                batch_case_buffer(batch, run->trial, BUFFER_PAGE_TABLE, CASE_REQUESTS * pages,
                                  wide ? sizeof(int64_t) : sizeof(int32_t)) &&
                batch_case_reserve(batch, run->trial, run->kernel);
  for (size_t i = 0; i < sizeof cases / sizeof *cases && passed; i++)
    passed = check_case(run, &cases[i]);
  return passed;
}

bool run_counted(struct trial *trial, const fi_spec *canonical) {
  struct counted_run run = {.trial = trial, .letter = canonical->rows == 0 ? LONG_LETTER : LETTER};
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &run.kernel)))
    return false;
  run.batch = (struct batch_case){
      .spec = *canonical,
      .tile = *inside_tile(run.kernel),
      .kind = BATCH_SHARED,
      .kv_heads = trial_between(trial, canonical->rows == 0 ? 2 : 1, 3), /* slots of one head end where others begin */
  };
  const bool passed = check_cases(&run);
  batch_case_free(&run.batch, trial);
  return passed;
}
