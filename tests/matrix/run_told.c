/*
 * What is told of shared prefixes is right; then it is wrong, or less than there is. The plan names the first entry
 * that is wrong, shares nothing by it, and is right.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/attention_check.h"
#include "tests/matrix/batch_shares.h"
#include "tests/matrix/inside.h"
#include "tests/matrix/prefix_check.h"

struct told_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
};

/* Entries of two numbers: a request, and tokens. */
static int32_t *entry_at(const struct told_run *run, uint32_t entry) {
  return batch_case_ints(&run->batch, BUFFER_SHARED) + (size_t)2 * entry;
}

static uint32_t draw_entry(const struct told_run *run) {
  return trial_between(run->trial, 1, run->batch.requests - 1);
}

static struct fi_fault no_request(struct told_run *run) {
  const int32_t values[] = {-1, (int32_t)run->batch.requests, INT32_MAX, INT32_MIN};
  const uint32_t entry = draw_entry(run) - trial_between(run->trial, 0, 1);
  *entry_at(run, entry) = values[trial_between(run->trial, 0, 3)];
  return (struct fi_fault){FI_FAULT_ORDER, entry, *entry_at(run, entry)};
}

static struct fi_fault one_twice(struct told_run *run) {
  const uint32_t entry = draw_entry(run);
  *entry_at(run, entry) = *entry_at(run, trial_between(run->trial, 0, entry - 1));
  return (struct fi_fault){FI_FAULT_ORDER, entry, *entry_at(run, entry)};
}

static struct fi_fault negative_tokens(struct told_run *run) {
  const uint32_t entry = draw_entry(run);
  entry_at(run, entry)[1] = trial_chance(run->trial, 2) ? -1 : INT32_MIN;
  return (struct fi_fault){FI_FAULT_SHARED, entry, entry_at(run, entry)[1]};
}

/* KV tokens of the shorter of two neighbours. */
static uint32_t least_length(const struct told_run *run, uint32_t entry) {
  const uint32_t own = run->batch.kv_len[*entry_at(run, entry)];
  const uint32_t other = run->batch.kv_len[*entry_at(run, entry - 1)];
  return own < other ? own : other;
}

static struct fi_fault too_many_tokens(struct told_run *run) {
  const uint32_t entry = draw_entry(run);
  entry_at(run, entry)[1] = trial_chance(run->trial, 2) ? (int32_t)least_length(run, entry) + 1 : INT32_MAX;
  return (struct fi_fault){FI_FAULT_SHARED, entry, entry_at(run, entry)[1]};
}

/* Pages that two neighbours could share, if they were the same: of at least 128 tokens in whole steps. */
static uint32_t most_pages(const struct told_run *run, uint32_t entry) {
  const uint32_t split = run->batch.workspace.split_tokens;
  const uint32_t step = split ? split : tile_step_tokens(&run->batch.tile);
  const int64_t own = batch_shares_room(&run->batch, (uint32_t)*entry_at(run, entry));
  const int64_t other = batch_shares_room(&run->batch, (uint32_t)*entry_at(run, entry - 1));
  const int64_t tokens = own < other ? own : other;
  return tokens < (LEAST_SHARED + step - 1) / step * step ? 0 : (uint32_t)tokens / run->batch.spec.page_size;
}

/* As many tokens as there are, where the last page that is shared then is another one, if there is such an entry. */
static struct fi_fault other_pages(struct told_run *run) {
  uint32_t entry = 1;
  while (entry < run->batch.requests &&
         most_pages(run, entry) <= (uint32_t)entry_at(run, entry)[1] / run->batch.spec.page_size)
    entry++;
  if (entry == run->batch.requests)
    return (struct fi_fault){FI_FAULT_NONE, 0, 0};
  entry_at(run, entry)[1] = (int32_t)least_length(run, entry);
  return (struct fi_fault){FI_FAULT_SHARED, entry, entry_at(run, entry)[1]};
}

static struct fi_fault less_than_there_is(struct told_run *run) {
  for (uint32_t entry = 1; entry < run->batch.requests; entry++) {
    int32_t *tokens = entry_at(run, entry) + 1;
    *tokens = (int32_t)trial_between(run->trial, 0, (uint32_t)*tokens);
  }
  return (struct fi_fault){FI_FAULT_NONE, 0, 0};
}

static const struct kind {
  const char *what;
  struct fi_fault (*make)(struct told_run *run);
} kinds[] = {
    {"no request", no_request},           {"one twice", one_twice},     {"negative tokens", negative_tokens},
    {"too many tokens", too_many_tokens}, {"other pages", other_pages}, {"less than there is", less_than_there_is},
};

static bool check_fault(struct told_run *run, const struct fi_fault *expected) {
  struct fi_fault got;
  struct prefix_cost cost;
  if (!prefix_check_told(run->trial, &run->batch, run->kernel, &cost, &got))
    return false;
  if (got.kind != expected->kind || got.request != expected->request || got.value != expected->value)
    return trial_fail(run->trial, "the fault is %u of entry %u, value %lld; expected %u, %u, %lld", got.kind,
                      got.request, (long long)got.value, expected->kind, expected->request, (long long)expected->value);
  return expected->kind != FI_FAULT_ORDER || cost.widest == 1 ||
         trial_fail(run->trial, "requests share by an order that is none");
}

static bool run_kind(struct told_run *run, const struct kind *kind, const fi_spec *canonical) {
  struct batch_case *batch = &run->batch;
  if (!batch_case_create(batch, run->trial, canonical, inside_tile(run->kernel), BATCH_SHARED))
    return false;
  const struct fi_fault expected = kind->make(run);
  batch_case_upload(batch, run->trial);
  const fi_batch lengths = batch_case_lengths(batch, false);
  const fi_tensors tensors = batch_case_tensors(batch, false);
  if (!batch_case_reserve(batch, run->trial, run->kernel) ||
      !trial_ok(run->trial, "fi_plan", fi_plan(run->kernel, &lengths, &batch->workspace, NULL)))
    return false;
  device_sync(&run->trial->device, NULL);
  return check_fault(run, &expected) && attention_launch(run->trial, run->kernel, batch, &tensors) &&
         attention_check(run->trial, batch);
}

bool run_told(struct trial *trial, const fi_spec *canonical) {
  struct told_run run = {.trial = trial};
  bool passed = run_attention(trial, canonical) &&
                trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &run.kernel));
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds && passed; kind++) {
    passed = run_kind(&run, &kinds[kind], canonical) || trial_name_failure(trial, kinds[kind].what);
    batch_case_free(&run.batch, trial);
  }
  return passed;
}
