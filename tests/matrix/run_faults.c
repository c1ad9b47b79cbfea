/*
 * Batches that break a bound, each in one way: the fault word names the first request and the value. The requests
 * before it have their results all the same, which the other tests check.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/attention_check.h"
#include "tests/matrix/batch_case.h"
#include "tests/matrix/batch_second.h"
#include "tests/matrix/batch_shares.h"
#include "tests/matrix/inside.h"

struct fault_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
};

static int32_t *ints(const struct fault_run *run, enum buffer buffer) {
  return run->batch.buffers[buffer].host;
}

/* ------------------------------------------------------------------------------------------------ kinds */

static struct fi_fault none(struct fault_run *run) {
  (void)run;
  return (struct fi_fault){.kind = FI_FAULT_NONE};
}

static uint32_t draw_request(struct fault_run *run) {
  return random_below(&run->trial->random, run->batch.requests);
}

/* A KV length that is negative, or larger than the bound. */
static struct fi_fault bad_length(struct fault_run *run) {
  const uint32_t request = draw_request(run);
  const bool is_negative = trial_chance(run->trial, 2);
  const int32_t value = is_negative ? -1 : (int32_t)run->batch.workspace.max_kv_len + 1;
  ints(run, BUFFER_KV_LEN)[request] = value;
  return (struct fi_fault){FI_FAULT_KV_LEN, request, value};
}

/* More query tokens than the bound. */
static struct fi_fault too_many_tokens(struct fault_run *run) {
  const uint32_t last = run->batch.requests - 1;
  const int32_t value = (int32_t)run->batch.workspace.max_tokens + 3;
  ints(run, BUFFER_Q_INDPTR)[last + 1] = value;
  return (struct fi_fault){FI_FAULT_TOKENS, last, value};
}

/* Query tokens that end before they begin. */
static struct fi_fault falling_tokens(struct fault_run *run) {
  ints(run, BUFFER_Q_INDPTR)[1] = ints(run, BUFFER_Q_INDPTR)[0] - 1;
  return (struct fi_fault){FI_FAULT_Q_INDPTR, 0, ints(run, BUFFER_Q_INDPTR)[1]};
}

/* The first request with KV and query tokens. */
static uint32_t request_with_queries(const struct fault_run *run) {
  uint32_t request = 0;
  while (run->batch.kv_len[request] == 0 || run->batch.q_len[request] == 0)
    request++;
  return request;
}

/* A page that the cache does not have. */
static struct fi_fault bad_page(struct fault_run *run) {
  const uint32_t request = request_with_queries(run);
  int32_t *entry = ints(run, BUFFER_PAGE_TABLE) + request * run->batch.page_table_stride;
  ints(run, BUFFER_KV_START)[request] = 0; /* so that the page is read */
  *entry = trial_chance(run->trial, 2) ? -7 : (int32_t)run->batch.pool.units;
  run->batch.checks_pages = true;
  return (struct fi_fault){FI_FAULT_PAGE, request, *entry};
}

/* A start beyond the KV. */
static struct fi_fault bad_start(struct fault_run *run) {
  const uint32_t request = draw_request(run);
  const int32_t value = (int32_t)run->batch.kv_len[request] + 1;
  ints(run, BUFFER_KV_START)[request] = value;
  return (struct fi_fault){FI_FAULT_KV_START, request, value};
}

/* Lists that end before they begin, or after the most that there may be. */
static struct fi_fault bad_list_length(struct fault_run *run) {
  const uint32_t request = request_with_queries(run);
  const int32_t value = trial_chance(run->trial, 2) ? -1 : (int32_t)run->batch.workspace.max_selected + 1;
  run->batch.has_list_lengths = true;
  ints(run, BUFFER_SELECTED_LEN)[ints(run, BUFFER_Q_INDPTR)[request + 1] - 1] = value;
  return (struct fi_fault){FI_FAULT_SELECTED_LEN, request, value};
}

/* Whether the last query token of a request sees some KV, so that its list is read. */
static bool sees_some(const struct fault_run *run, uint32_t request) {
  const uint32_t kv_len = run->batch.kv_len[request];
  return run->batch.q_len[request] > 0 && ints(run, BUFFER_KV_START)[request] < (int32_t)kv_len;
}

/* A block that the KV does not have, which a launch tells of. Results are as if it was a hole. */
static struct fi_fault bad_block(struct fault_run *run) {
  const struct reference reference = batch_case_reference(&run->batch);
  uint32_t request = 0;
  while (request < run->batch.requests && !sees_some(run, request))
    request++;
  if (request == run->batch.requests)
    return none(run);
  const uint32_t token = (uint32_t)ints(run, BUFFER_Q_INDPTR)[request + 1] - 1;
  const uint32_t listed = batch_second_listed_lengths(&run->batch)[request];
  const int32_t blocks = (int32_t)((listed + run->batch.spec.select - 1) / run->batch.spec.select);
  const int32_t values[] = {-2, blocks, INT32_MAX, INT32_MIN};
  const int32_t value = values[trial_between(run->trial, 0, 3)];
  if (ints(run, BUFFER_SELECTED_LEN)[token] == 0)
    ints(run, BUFFER_SELECTED_LEN)[token] = 1;
  for (uint32_t head = 0; head < run->batch.kv_heads; head++) {
    int32_t *list = ints(run, BUFFER_SELECTED) + reference_list_offset(&reference, token, head);
    list[0] = list[0] < 0 ? -1 : list[0];
  }
  ints(run, BUFFER_SELECTED)[reference_list_offset(&reference, token, 0)] = value;
  return (struct fi_fault){FI_FAULT_SELECTED, token, value};
}

/* Pages that were given up have ids again. */
static void restore_pages(const struct batch_case *second, uint32_t request, uint32_t but_page) {
  for (uint32_t page = 0; page * second->spec.page_size < second->kv_len[request]; page++) {
    if (page != but_page && batch_shares_page(second, request, page) < 0)
      batch_case_set_page(second, (size_t)(request * second->page_table_stride) + page, 0);
  }
}

/* Of a second KV, a length that is negative, or larger than its page table has room for. */
static struct fi_fault bad_second_length(struct fault_run *run) {
  const struct batch_case *second = run->batch.second;
  const uint32_t request = draw_request(run);
  const int32_t room = (int32_t)(second->page_table_stride * second->spec.page_size);
  const int32_t value = trial_chance(run->trial, 2) ? -1 : room + 1;
  batch_case_ints(second, BUFFER_KV_LEN)[request] = value;
  return (struct fi_fault){FI_FAULT_SECOND_LEN, request, value};
}

/* A page that the second cache does not have. Whether lists name it is not known. */
static struct fi_fault bad_second_page(struct fault_run *run) {
  struct batch_case *second = run->batch.second;
  uint32_t request = 0;
  while (request < second->requests && (run->batch.q_len[request] == 0 || second->kv_len[request] == 0))
    request++;
  if (request == second->requests)
    return none(run);
  const uint32_t page = (second->kv_len[request] - 1) / second->spec.page_size;
  const int32_t value = trial_chance(run->trial, 2) ? -7 : (int32_t)second->pool.units;
  batch_case_set_page(second, (size_t)(request * second->page_table_stride) + page, value);
  for (uint32_t r = 0; r < second->requests && !second->checks_pages; r++)
    restore_pages(second, r, r == request ? page : UINT32_MAX);
  second->checks_pages = true;
  return (struct fi_fault){FI_FAULT_SECOND_PAGE, request, value};
}

static bool any_spec(const fi_spec *spec) {
  (void)spec;
  return true;
}

static bool has_lists(const fi_spec *spec) {
  return spec->select > 0;
}

static bool has_second(const fi_spec *spec) {
  return spec->second_page > 0;
}

/* What can be wrong, and with which batches. */
static const struct kind {
  struct fi_fault (*make)(struct fault_run *run);
  bool (*is_possible)(const fi_spec *spec);
  bool is_launched; /* fi_run tells, and its results are right */
} kinds[] = {
    {none, any_spec, false},
    {bad_length, any_spec, false},
    {too_many_tokens, any_spec, false},
    {falling_tokens, any_spec, false},
    {bad_page, any_spec, false},
    {bad_start, any_spec, false},
    {bad_list_length, has_lists, false},
    {bad_block, has_lists, true},
    {bad_second_length, has_second, false},
    {bad_second_page, has_second, false},
};

/* ------------------------------------------------------------------------------------------------ run */

static bool check_fault(struct fault_run *run, const struct fi_fault *expected) {
  struct fi_fault got;
  device_download(&run->trial->device, &got, run->batch.workspace.memory, sizeof got);
  if (!trial_ok(run->trial, "the download", FI_OK))
    return false;
  const bool is_same = got.kind == expected->kind;
  if (is_same && (got.kind == FI_FAULT_NONE || (got.request == expected->request && got.value == expected->value)))
    return true;
  return trial_fail(run->trial, "the fault is %u of request %u, value %lld; expected %u, %u, %lld", got.kind,
                    got.request, (long long)got.value, expected->kind, expected->request, (long long)expected->value);
}

/* A launch that finds the plan of other bounds does nothing and says so. */
static bool check_foreign_plan(struct fault_run *run, const fi_tensors *tensors) {
  struct fi_fault got;
  struct batch_case *batch = &run->batch;
  fi_workspace other = batch->workspace;
  other.split_tokens = other.split_tokens ? 0 : 1024;
  if (!trial_ok(run->trial, "fi_workspace_size", fi_workspace_size(run->kernel, &other)))
    return false;
  other.memory = device_alloc(&run->trial->device, other.bytes);
  other.scratch = device_alloc(&run->trial->device, other.scratch_bytes);
  device_fill(&run->trial->device, other.memory, 0, other.bytes);
  bool passed = trial_ok(run->trial, "fi_run", fi_run(run->kernel, tensors, &other, NULL));
  device_sync(&run->trial->device, NULL);
  device_download(&run->trial->device, &got, other.memory, sizeof got);
  device_free(&run->trial->device, other.memory);
  device_free(&run->trial->device, other.scratch);
  passed = passed && trial_ok(run->trial, "the launch without a plan", FI_OK);
  if (passed && got.kind != FI_FAULT_PLAN)
    return trial_fail(run->trial, "a launch without a plan leaves fault %u", got.kind);
  return passed;
}

/* The plan tells nothing yet, the launch does. */
static bool check_launch(struct fault_run *run, const fi_tensors *tensors, const struct fi_fault *expected) {
  return attention_launch(run->trial, run->kernel, &run->batch, tensors) && check_fault(run, expected) &&
         attention_check(run->trial, &run->batch);
}

static bool run_kind(struct fault_run *run, const struct kind *kind, const fi_spec *canonical) {
  struct batch_case *batch = &run->batch;
  if (!batch_case_create(batch, run->trial, canonical, inside_tile(run->kernel), BATCH_MIXED))
    return false;
  const struct fi_fault expected = kind->make(run);
  batch_case_upload(batch, run->trial);
  const fi_batch lengths = batch_case_lengths(batch, false);
  const fi_tensors tensors = batch_case_tensors(batch, false);
  if (!batch_case_reserve(batch, run->trial, run->kernel) ||
      !trial_ok(run->trial, "fi_plan", fi_plan(run->kernel, &lengths, &batch->workspace, NULL)))
    return false;
  device_sync(&run->trial->device, NULL);
  const struct fi_fault planned = kind->is_launched ? (struct fi_fault){0} : expected;
  return check_fault(run, &planned) && (!kind->is_launched || check_launch(run, &tensors, &expected)) &&
         (expected.kind != FI_FAULT_NONE || check_foreign_plan(run, &tensors));
}

bool run_faults(struct trial *trial, const fi_spec *canonical) {
  struct fault_run run = {.trial = trial};
  bool passed = trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &run.kernel));
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds && passed; kind++) {
    if (!kinds[kind].is_possible(canonical))
      continue;
    passed = run_kind(&run, &kinds[kind], canonical);
    batch_case_free(&run.batch, trial);
  }
  return passed;
}
