/*
 * A kernel whose rows are open, on batches of any lengths: each request is in the plan of one member, and right. Then a
 * graph of plan and run is replayed with another mix, of which all but one member have nothing.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/attention_check.h"
#include "tests/matrix/inside.h"
#include "tests/matrix/mix_choice.h"
#include "tests/matrix/plan_check.h"
#include "tests/matrix/plan_view.h"

enum { SPLIT_TOKENS = 256, CTAS = 2 };

struct mix_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
  uint32_t members; /* that the bounds allow */
};

static bool check_plan(struct mix_run *run) {
  const struct batch_case *batch = &run->batch;
  const fi_batch masks = batch_case_lengths(batch, true);
  const fi_batch lengths = batch_case_lengths(batch, false);
  const struct planned planned = {
      .kernel = run->kernel,
      .spec = &batch->spec,
      .workspace = &batch->workspace,
      .page_table = lengths.page_table,
      .first_token = batch->first_token,
      .requests = batch->requests,
      .q_len = batch->q_len,
      .kv_len = batch->kv_len,
      .kv_indptr = batch->spec.index == FI_INDEX_CSR ? batch->buffers[BUFFER_KV_INDPTR].host : NULL,
      .masks = &masks,
  };
  return plan_check(run->trial, &planned);
}

/* Which members have work, a bit each. */
static bool find_busy(struct mix_run *run, uint32_t *busy) {
  bool passed = true;
  *busy = 0;
  for (uint32_t member = 0; passed && member < run->members; member++) {
    struct plan_view view;
    passed = plan_view_open(&view, run->trial, run->kernel, &run->batch.workspace, member) &&
             plan_view_download(&view, run->trial);
    for (int cta = 0; passed && cta < view.shape.ctas; cta++)
      *busy |= (view.host.first[cta].row_count > 0 ? 1u : 0u) << member;
    plan_view_close(&view);
  }
  return passed;
}

/* Requests are with the members that make the batch cheapest. */
static bool check_choice(struct mix_run *run) {
  struct fi_member costs[FI_MOST_MEMBERS];
  uint32_t busy, expected;
  if (!trial_ok(run->trial, "the costs of members", inside_costs(run->kernel, &run->batch.workspace, costs)) ||
      !find_busy(run, &busy))
    return false;
  return !mix_choice(costs, run->members, &run->batch, &expected) || busy == expected ||
         trial_fail(run->trial, "members %#x have work, expected %#x", busy, expected);
}

/* ------------------------------------------------------------------------------------------------ replays */

/* Results that nothing may leave as they are. */
static void poison(const struct mix_run *run) {
  const struct mirror *o = &run->batch.buffers[BUFFER_O];
  const struct mirror *lse = &run->batch.buffers[BUFFER_LSE];
  device_fill(&run->trial->device, o->device, POISON, o->bytes);
  device_fill(&run->trial->device, lse->device, POISON, lse->bytes);
}

static bool replay(struct mix_run *run, void *graph, void *stream) {
  const struct mirror *q_indptr = &run->batch.buffers[BUFFER_Q_INDPTR];
  const struct mirror *o = &run->batch.buffers[BUFFER_O];
  const struct mirror *lse = &run->batch.buffers[BUFFER_LSE];
  mirror_upload(q_indptr, &run->trial->device, q_indptr->bytes);
  poison(run);
  device_graph_launch(&run->trial->device, graph, stream);
  device_sync(&run->trial->device, stream);
  mirror_download(o, &run->trial->device, o->bytes);
  mirror_download(lse, &run->trial->device, lse->bytes);
  return trial_ok(run->trial, "a replay", FI_OK) && check_plan(run) && check_choice(run) &&
         attention_check(run->trial, &run->batch);
}

/* Gives requests so many query tokens, the last ones of their KV. */
static void set_queries(struct batch_case *batch, const uint32_t *q_len) {
  int32_t *q_indptr = batch_case_ints(batch, BUFFER_Q_INDPTR);
  batch->tokens = batch->first_token;
  for (uint32_t r = 0; r < batch->requests; r++) {
    batch->q_len[r] = q_len[r];
    batch->tokens += q_len[r];
    q_indptr[r + 1] = (int32_t)batch->tokens;
  }
}

/* The batch as it is, then all of it decoding, then its longest query alone, which leaves nothing to the first member.
 */
static bool replay_mixes(struct mix_run *run, void *graph, void *stream) {
  struct batch_case *batch = &run->batch;
  uint32_t longest[MOST_REQUESTS] = {0};
  uint32_t ones[MOST_REQUESTS] = {0};
  uint32_t most = 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    ones[r] = batch->q_len[r] > 0;
    most = batch->q_len[r] > batch->q_len[most] ? r : most;
  }
  longest[most] = batch->q_len[most];
  bool passed = replay(run, graph, stream);
  set_queries(batch, ones);
  passed = passed && replay(run, graph, stream);
  set_queries(batch, longest);
  return passed && replay(run, graph, stream);
}

static bool check_graph(struct mix_run *run) {
  const fi_batch lengths = batch_case_lengths(&run->batch, false);
  const fi_tensors tensors = batch_case_tensors(&run->batch, false);
  struct device *device = &run->trial->device;
  void *stream = device_stream_create(device);
  device_capture_begin(device, stream);
  fi_status status = fi_plan(run->kernel, &lengths, &run->batch.workspace, stream);
  if (!status)
    status = fi_run(run->kernel, &tensors, &run->batch.workspace, stream);
  void *graph = device_capture_end(device, stream);
  const bool passed = trial_ok(run->trial, "the capture", status) && replay_mixes(run, graph, stream);
  device_graph_destroy(device, graph);
  device_stream_destroy(device, stream);
  return passed;
}

/* ------------------------------------------------------------------------------------------------ run */

static bool launch(struct mix_run *run) {
  const fi_batch lengths = batch_case_lengths(&run->batch, false);
  const fi_tensors tensors = batch_case_tensors(&run->batch, false);
  if (!trial_ok(run->trial, "fi_plan", fi_plan(run->kernel, &lengths, &run->batch.workspace, NULL)))
    return false;
  device_sync(&run->trial->device, NULL);
  return check_plan(run) && attention_launch(run->trial, run->kernel, &run->batch, &tensors) &&
         attention_check(run->trial, &run->batch);
}

/* With fixed pieces a request's member depends on the request alone: prompts have more rows than what decodes. */
static bool check_any(struct mix_run *run) {
  struct batch_case *batch = &run->batch;
  const bool splits = trial_chance(run->trial, 2);
  batch->workspace.ctas = CTAS;
  batch->workspace.split_tokens = splits ? SPLIT_TOKENS : 0;
  batch->workspace.max_q_len = batch->tokens;
  if (!batch_case_reserve(batch, run->trial, run->kernel))
    return false;
  run->members = inside_members(run->kernel, &batch->workspace);
  if (run->members < 2)
    return trial_fail(run->trial, "the kernel has no members");
  uint32_t busy;
  if (!launch(run) || !check_choice(run) || !find_busy(run, &busy))
    return false;
  if (splits && ((busy & 1) == 0 || busy == 1))
    return trial_fail(run->trial, "with fixed pieces members %#x have work", busy);
  return check_graph(run);
}

/* Bounds of one query token launch one kernel. Longer requests, which they do not promise, are right all the same. */
static bool check_bounded(struct mix_run *run) {
  struct batch_case *batch = &run->batch;
  batch->workspace.ctas = CTAS;
  batch->workspace.max_q_len = 1;
  if (!batch_case_reserve(batch, run->trial, run->kernel))
    return false;
  run->members = inside_members(run->kernel, &batch->workspace);
  if (run->members != 1)
    return trial_fail(run->trial, "%u kernels are launched for one query token", run->members);
  return launch(run);
}

static bool run_part(struct trial *trial, fi_kernel *kernel, const fi_spec *canonical, enum batch_kind kind,
                     bool (*check)(struct mix_run *)) {
  struct mix_run run = {.trial = trial, .kernel = kernel};
  const bool passed = batch_case_create(&run.batch, trial, canonical, inside_tile(kernel), kind) && check(&run);
  batch_case_free(&run.batch, trial);
  return passed;
}

bool run_mix(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  return trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)) &&
         run_part(trial, kernel, canonical, BATCH_ANY, check_any) &&
         run_part(trial, kernel, canonical, BATCH_MIXED, check_bounded);
}
