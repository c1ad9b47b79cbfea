/* The kernels of one kind of layer, taken through the phases of a batch. */
#include "tools/flashjit/layer_run.h"

#include "tests/dtypes.h"
#include "tools/common/timing.h"
#include "tools/flashjit/batch_memory.h"
#include "tools/flashjit/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TIMED_LAUNCHES = 8 }; /* in a graph: enough that its own start does not count */

/* Of the reference in one phase: some seconds. */
static const double verify_budget = 8e9;

struct layer_run {
  struct device *device;
  fi_ctx *ctx;
  const struct model_layer *layer;
  const struct run_settings *settings;
  void *stream;
  random_state random;
  struct batch_memory batch;
  fi_workspace workspace;
  fi_kernel *kernels[ROLE_COUNT];
  struct report reports[ROLE_COUNT];
};

static bool succeeded(fi_status status, const char *call, const char *spec) {
  if (status)
    complain("%s for %s: %s: %s", call, spec, fi_status_name(status), fi_last_error());
  return status == FI_OK;
}

static bool device_works(const struct layer_run *run) {
  if (device_failed(run->device))
    complain("%s: %s", run->layer->kind, run->device->error);
  return !device_failed(run->device);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------
 * preparation */

static bool get_kernel(struct layer_run *run, enum role role) {
  struct report *report = &run->reports[role];
  fi_spec spec;
  *report = (struct report){.layer = run->layer->kind,
                            .role = role,
                            .simulated = run->device->simulated,
                            .passed = true,
                            .facts.struct_size = sizeof report->facts};
  role_spec(run->layer, run->settings->page_size, role, run->settings->target, &spec);
  report->dtype = measure_dtype(&spec);
  fi_spec_print(&spec, report->spec, sizeof report->spec);
  double begin = now_ms();
  if (!succeeded(fi_get_kernel(run->ctx, &spec, &run->kernels[role]), "fi_get_kernel", report->spec))
    return false;
  report->get_ms = now_ms() - begin;
  if (!succeeded(fi_kernel_facts(run->kernels[role], &report->facts), "fi_kernel_facts", report->spec))
    return false;
  for (enum role before = 0; before < role; before++) {
    if (run->kernels[before] == run->kernels[role]) { /* its facts tell of the first call */
      report->facts.layer = FI_LAYER_MEMORY;
      report->facts.compile_ms = 0;
    }
  }
  return true;
}

/* One workspace that is large enough for each kernel. */
static bool make_workspace(struct layer_run *run) {
  run->workspace = (fi_workspace){.struct_size = sizeof run->workspace,
                                  .max_requests = run->batch.requests,
                                  .max_tokens = run->batch.max_tokens,
                                  .max_kv_len = run->batch.max_kv_len,
                                  .kv_heads = run->batch.kv_heads};
  uint64_t bytes = 0;
  uint64_t scratch_bytes = 0;
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    if (!succeeded(fi_workspace_size(run->kernels[role], &run->workspace), "fi_workspace_size",
                   run->reports[role].spec))
      return false;
    bytes = run->workspace.bytes > bytes ? run->workspace.bytes : bytes;
    scratch_bytes = run->workspace.scratch_bytes > scratch_bytes ? run->workspace.scratch_bytes : scratch_bytes;
  }
  run->workspace.bytes = bytes;
  run->workspace.memory = device_alloc(run->device, bytes);
  run->workspace.scratch_bytes = scratch_bytes;
  run->workspace.scratch = device_alloc(run->device, scratch_bytes);
  device_fill(run->device, run->workspace.memory, POISON, bytes);
  device_fill(run->device, run->workspace.scratch, POISON, scratch_bytes);
  return device_works(run);
}

static bool prepare(struct layer_run *run) {
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    if (!get_kernel(run, role))
      return false;
  }
  fi_spec spec = {.struct_size = sizeof spec};
  if (!succeeded(fi_kernel_spec(run->kernels[ROLE_DECODE], &spec), "fi_kernel_spec", run->reports[ROLE_DECODE].spec))
    return false;
  run->stream = device_stream_create(run->device);
  batch_create(&run->batch, run->device, &spec, run->layer->kv_heads, run->settings->trace, &run->random);
  return device_works(run) && make_workspace(run);
}

/* ----------------------------------------------------------------------------------------------- launches */

static fi_tensors tensors_of(const struct layer_run *run, bool on_host) {
  fi_tensors tensors = batch_tensors(&run->batch, on_host);
  tensors.softmax_scale = (float)run->layer->layer.scale;
  return tensors;
}

/* One step of a server: a plan, and the two launches of one layer that use it. */
static bool launch(struct layer_run *run, enum role attention) {
  fi_batch lengths = batch_lengths(&run->batch, false);
  fi_tensors tensors = tensors_of(run, false);
  const char *spec = run->reports[attention].spec;
  if (!succeeded(fi_plan(run->kernels[attention], &lengths, &run->workspace, run->stream), "fi_plan", spec) ||
      !succeeded(fi_run(run->kernels[ROLE_APPEND], &tensors, &run->workspace, run->stream), "fi_run",
                 run->reports[ROLE_APPEND].spec))
    return false;
  if (attention != ROLE_APPEND &&
      !succeeded(fi_run(run->kernels[attention], &tensors, &run->workspace, run->stream), "fi_run", spec))
    return false;
  device_sync(run->device, run->stream);
  return device_works(run);
}

struct timed_role {
  struct layer_run *run;
  enum role role;
};

static bool launch_role(void *user, uint32_t set, void *stream) {
  const struct timed_role *timed = user;
  struct layer_run *run = timed->run;
  const fi_tensors tensors = tensors_of(run, false);
  (void)set; /* there is one batch */
  return succeeded(fi_run(run->kernels[timed->role], &tensors, &run->workspace, stream), "fi_run",
                   run->reports[timed->role].spec);
}

/* What a kernel does in a phase: floating-point operations of prefill, else bytes of K and V. */
static double work_of(const struct layer_run *run, enum role role, int phase) {
  const struct batch_memory *batch = &run->batch;
  double row = 2.0 * batch->kv_heads * batch->spec.head_dim; /* elements of K and V of a token */
  if (role == ROLE_PREFILL)
    return phase_pairs(batch->marks, batch->requests, phase) * 2 * row * batch->spec.group;
  if (role == ROLE_APPEND)
    return (double)phase_tokens(batch->marks, batch->requests, phase) * row *
           (double)(dtype_bytes(batch->spec.q_dtype) + dtype_bytes(batch->spec.kv_dtype));
  return phase_kv_tokens(batch->marks, batch->requests, phase) * row * (double)dtype_bytes(batch->spec.kv_dtype);
}

/* A kernel that runs in several phases is timed in that with the most work. */
static bool time_role(struct layer_run *run, enum role role, int phase) {
  struct report *report = &run->reports[role];
  double work = work_of(run, role, phase);
  if (run->device->simulated || work <= report->work)
    return true;
  struct timed_role user = {run, role};
  const struct timed timed = {
      .launch = launch_role, .user = &user, .sets = 1, .launches = TIMED_LAUNCHES, .replays = run->settings->repeat};
  struct timing timing = {0};
  const bool launched = time_launches(run->device, run->stream, &timed, &timing);
  report->work = work;
  report->microseconds = timing.median;
  return device_works(run) && launched;
}

/* ------------------------------------------------------------------------------------------------
 * verification */

/*
 * FLASHJIT_CLI_CORRUPT=request:token:dim damages that element of the output of head 0, when a phase computes
 * it, so that a test can see a wrong output being found.
 */
static void corrupt(const struct layer_run *run, const struct reference *reference) {
  const char *where = getenv("FLASHJIT_CLI_CORRUPT");
  uint32_t request;
  uint32_t token;
  uint32_t dim;
  if (!where || sscanf(where, "%8u:%8u:%8u", &request, &token, &dim) != 3 || request >= run->batch.requests)
    return;
  uint32_t begin = reference_kv_len(reference, request) - reference_query_len(reference, request);
  if (token < begin || token >= reference_kv_len(reference, request))
    return;
  uint32_t row = reference_query_begin(reference, request) + token - begin;
  size_t element = (size_t)reference_o_offset(reference, row, 0) + dim;
  uint16_t *o = run->batch.buffers[BUFFER_O].host;
  o[element] ^= 0x4000; /* the highest bit of the exponent */
}

static bool accept(struct report *report, const char *phase, const struct verdict *verdict, bool passed) {
  const struct mismatch *first = &verdict->first;
  report->verified = true;
  report->passed = report->passed && passed;
  measure_merge(&report->verdict.measure, &verdict->measure);
  report->verdict.rows += verdict->rows;
  report->verdict.steps = verdict->steps > report->verdict.steps ? verdict->steps : report->verdict.steps;
  if (first->tensor)
    complain("wrong %s after %s (%s): request %u, token %u, head %u, dim %u: got %g, expected %g", first->tensor, phase,
             report->spec, first->request, first->token, first->head, first->dim, first->got, first->expected);
  else if (!passed)
    complain("wrong output after %s (%s): no element stands out, but the error's norm is %.2e of the reference's",
             phase, report->spec, measure_norm(&verdict->measure));
  return passed;
}

static struct reference host_reference(const struct layer_run *run, enum role role) {
  struct reference reference = {
      .batch = batch_lengths(&run->batch, true), .tensors = tensors_of(run, true), .kv_heads = run->batch.kv_heads};
  reference.spec.struct_size = sizeof reference.spec;
  fi_kernel_spec(run->kernels[role], &reference.spec);
  return reference;
}

static bool verify_phase(struct layer_run *run, int phase) {
  enum role role = phases[phase].attention;
  struct verify_step step = {.append = host_reference(run, ROLE_APPEND),
                             .attention = host_reference(run, role),
                             .attends = role != ROLE_APPEND,
                             .budget = verify_budget,
                             .seed = run->settings->seed + (uint64_t)phase};
  struct verify_result result;
  const enum buffer outputs[] = {BUFFER_O, BUFFER_K_CACHE, BUFFER_V_CACHE};
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
    mirror_download(&run->batch.buffers[outputs[i]], run->device, run->batch.buffers[outputs[i]].bytes);
  if (!device_works(run))
    return false;
  if (step.attends)
    corrupt(run, &step.attention);
  if (!verify_step(&step, &result)) {
    complain("out of memory");
    return false;
  }
  bool right = accept(&run->reports[ROLE_APPEND], phases[phase].name, &result.append, result.append.steps <= 1);
  if (step.attends)
    right &= accept(&run->reports[role], phases[phase].name, &result.attention,
                    measure_passes(&result.attention.measure, run->reports[role].dtype));
  return right;
}

/* After the last phase: nothing was written where no token lives. */
static bool verify_rest(struct layer_run *run) {
  struct reference append = host_reference(run, ROLE_APPEND);
  size_t slot;
  if (verify_untouched(&append, POISON, run->batch.slots, &slot))
    return true;
  if (slot == run->batch.slots)
    complain("out of memory");
  else
    complain("wrong cache: slot %zu holds no token of the batch but was written", slot);
  run->reports[ROLE_APPEND].passed = false;
  return false;
}

/* ------------------------------------------------------------------------------------------ the whole run */

static bool run_phase(struct layer_run *run, int phase) {
  enum role role = phases[phase].attention;
  if (batch_begin_phase(&run->batch, run->device, phase, &run->random) == 0)
    return true;
  if (!device_works(run) || !launch(run, role))
    return false;
  if (!time_role(run, ROLE_APPEND, phase) || (role != ROLE_APPEND && !time_role(run, role, phase)))
    return false;
  return device_works(run) && (!run->settings->verify || verify_phase(run, phase));
}

static bool run_phases(struct layer_run *run) {
  bool right = true;
  for (int phase = 0; phase < PHASES && !device_failed(run->device); phase++)
    right &= run_phase(run, phase);
  if (run->settings->verify && !device_failed(run->device))
    right &= verify_rest(run);
  return right;
}

int layer_run(struct device *device, fi_ctx *ctx, const struct model_layer *layer, const struct run_settings *settings,
              json_t *reports) {
  struct layer_run run = {.device = device, .ctx = ctx, .layer = layer, .settings = settings, .random = settings->seed};
  bool right = false;
  if (prepare(&run)) {
    right = run_phases(&run);
    for (enum role role = 0; role < ROLE_COUNT; role++)
      json_array_append_new(reports, report_json(&run.reports[role]));
  }
  batch_free(&run.batch, device);
  device_free(device, run.workspace.memory);
  device_stream_destroy(device, run.stream);
  return right ? CLI_OK : CLI_FAILED;
}
