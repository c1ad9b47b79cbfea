/* The kernels of one kind of layer on one device, with the heads that it has. */
#include "tests/dtypes.h"
#include "tools/common/clock.h"
#include "tools/common/timing.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/layer_state.h"
#include "tools/flashjit/model/frequencies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMED_LAUNCHES = 8 }; /* in a graph: enough that its own start does not count */

bool layer_succeeded(fi_status status, const char *call, const char *spec) {
  if (status)
    complain("%s for %s: %s: %s", call, spec, fi_status_name(status), fi_last_error());
  return status == FI_OK;
}

bool layer_works(const struct layer_run *run) {
  if (device_failed(run->device))
    complain("%s: %s", run->layer->kind, run->device->error);
  return !device_failed(run->device);
}

/* ------------------------------------------------------------------------------------------------
 * preparation */

double layer_q_deviation(const struct layer *layer) {
  enum { CAP_PER_DEVIATION = 24 };
  const double dims = layer_key_dim(layer);
  const double scale = layer_softmax_scale(layer) > 0 ? layer_softmax_scale(layer) : 1 / sqrt(dims);
  const double deviation = layer->softcap > 0 ? layer->softcap / CAP_PER_DEVIATION : 1;
  return deviation / (scale * sqrt(dims));
}

struct listing layer_listing(const struct model_layer *layer, const struct run_settings *settings) {
  const struct selection *selection = &layer->layer.selection;
  if (!selection->block)
    return (struct listing){0};
  const uint32_t blocks = (settings->schedule->max_kv_len + selection->block - 1) / selection->block;
  const uint32_t entries = (selection->entries + settings->scale - 1) / settings->scale;
  return (struct listing){.block = selection->block,
                          .entries = entries < blocks ? entries : blocks,
                          .heads = selection->by_head ? layer->kv_heads : 1,
                          .seed = settings->seed};
}

bool layer_get_kernel(struct layer_run *run, enum role role, const fi_spec *spec) {
  struct report *report = &run->reports[role];
  *report = (struct report){.layer = run->layer->kind,
                            .role = role,
                            .simulated = run->settings->devices->simulated,
                            .passed = true,
                            .facts.struct_size = sizeof report->facts};
  fi_spec_print(spec, report->spec, sizeof report->spec);
  const double begin = clock_seconds();
  if (!layer_succeeded(fi_get_kernel(run->ctx, spec, &run->kernels[role]), "fi_get_kernel", report->spec))
    return false;
  report->get_ms = 1e3 * (clock_seconds() - begin);
  if (!layer_succeeded(fi_kernel_prepare(run->kernels[role]), "fi_kernel_prepare", report->spec))
    return false;
  if (!layer_succeeded(fi_kernel_facts(run->kernels[role], &report->facts), "fi_kernel_facts", report->spec) ||
      !layer_succeeded(fi_kernel_spec(run->kernels[role], &run->specs[role]), "fi_kernel_spec", report->spec))
    return false;
  report->dtype = measure_dtype(&run->specs[role], report->facts.target);
  for (enum role before = 0; before < role; before++) {
    if (run->kernels[before] == run->kernels[role]) { /* its facts tell of the first call */
      report->facts.layer = FI_LAYER_MEMORY;
      report->facts.compile_ms = 0;
    }
  }
  return true;
}

bool layer_make_rope_table(struct layer_run *run) {
  const struct layer *layer = &run->layer->layer;
  if (layer->rope.pairing == FI_ROPE_NONE)
    return true;
  if (!mirror_create(&run->rope_table, run->device, layer->rope.dims / 2 * sizeof(uint64_t)))
    return false;
  const fi_status status = layer_frequencies(layer, run->rope_table.host, &run->rope_magnitude);
  mirror_upload(&run->rope_table, run->device, run->rope_table.bytes);
  return layer_succeeded(status, "fi_rope_table", run->layer->kind);
}

/* One workspace that is large enough for each kernel. */
static bool make_workspace(struct layer_run *run) {
  const struct schedule *schedule = run->settings->schedule;
  run->workspace = (fi_workspace){.struct_size = sizeof run->workspace,
                                  .max_requests = schedule->slots,
                                  .max_tokens = schedule->max_tokens,
                                  .max_kv_len = schedule->max_kv_len,
                                  .kv_heads = run->batch.kv_heads,
                                  .max_selected = run->batch.listing.entries};
  uint64_t bytes = 0;
  uint64_t scratch_bytes = 0;
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    if (!layer_succeeded(fi_workspace_size(run->kernels[role], &run->workspace), "fi_workspace_size",
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
  return layer_works(run);
}

/* ------------------------------------------------------------------------------------------------ work */

/* What a kernel does in a step: floating-point operations of prefill, else bytes of K and V. */
static double work_of(const struct layer_run *run, enum role role, const struct step *step) {
  const struct batch_memory *batch = &run->batch;
  const struct schedule *schedule = run->settings->schedule;
  const fi_spec *spec = &batch->spec;
  const double listed = (double)batch->listing.entries * batch->listing.block;
  const double dims = (double)batch->kv_heads * (spec->head_dim + spec->v_dim); /* of scores and O of a token */
  const size_t given = batch_row_bytes(batch, BUFFER_K_NEW) + batch_row_bytes(batch, BUFFER_V_NEW);
  const double stored = (double)(batch_row_bytes(batch, BUFFER_K_CACHE) + batch_row_bytes(batch, BUFFER_V_CACHE));
  if (role == ROLE_APPEND)
    return step->tokens * ((double)given + stored);
  if (role != step->attention)
    return 0;
  if (role == ROLE_PREFILL)
    return step_pairs(schedule, step, spec, listed) * 2 * dims * spec->group;
  return step_kv_tokens(schedule, step, spec, listed) * stored;
}

void layer_choose_timed(struct layer_run *run) {
  const struct schedule *schedule = run->settings->schedule;
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    for (size_t s = 0; s < schedule->step_count; s++) {
      const double work = work_of(run, role, &schedule->steps[s]);
      if (work <= run->reports[role].work)
        continue;
      run->reports[role].work = work;
      run->timed[role] = &schedule->steps[s];
    }
  }
}

static void tell_size(const struct layer_run *run) {
  const struct schedule *schedule = run->settings->schedule;
  const double mega = 1 << 20;
  const double all = (double)(batch_bytes(&run->batch) + run->workspace.bytes + run->workspace.scratch_bytes);
  fprintf(stderr, "# %s: %zu steps of at most %u tokens; %u requests at once; a cache of %.1f MiB, %.1f MiB in all%s\n",
          run->layer->kind, schedule->step_count, schedule->max_tokens, schedule->slots,
          (double)batch_cache_bytes(&run->batch) / mega, all / mega, run->share.count > 1 ? ", on each device" : "");
}

bool layer_part_prepare(struct layer_run *run) {
  if (!device_use(run->device))
    return layer_works(run);
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    fi_spec spec;
    role_spec(run->layer, run->settings->page_size, role, run->settings->target, &spec);
    if (!layer_get_kernel(run, role, &spec))
      return false;
  }
  run->stream = device_stream_create(run->device);
  const struct listing listing = layer_listing(run->layer, run->settings);
  const bool created =
      batch_create(&run->batch, run->device, &run->specs[ROLE_DECODE], run->layer->kv_heads,
                   layer_q_deviation(&run->layer->layer), &listing, run->settings->schedule, &run->random) &&
      layer_make_rope_table(run) && make_workspace(run);
  if (run->share.number == 0)
    tell_size(run);
  if (!created) {
    layer_works(run);
    fprintf(stderr, "# --max-requests, --max-tokens and --kv-len-limit make it smaller\n");
    return false;
  }
  layer_choose_timed(run);
  return true;
}

/* ----------------------------------------------------------------------------------------------- launches */

fi_tensors layer_tensors(const struct layer_run *run, bool on_host) {
  fi_tensors tensors = batch_tensors(&run->batch, on_host);
  tensors.softmax_scale = (float)layer_softmax_scale(&run->layer->layer);
  tensors.softcap = (float)run->layer->layer.softcap;
  tensors.rope_table = on_host ? run->rope_table.host : run->rope_table.device;
  tensors.rope_magnitude = run->rope_magnitude;
  return tensors;
}

/* One step of a server: a plan, and the two launches of one layer that use it. */
bool layer_part_launch(struct layer_run *run, enum role attention) {
  fi_batch lengths = batch_lengths(&run->batch, false);
  fi_tensors tensors = layer_tensors(run, false);
  const char *spec = run->reports[attention].spec;
  if (!layer_succeeded(fi_plan(run->kernels[attention], &lengths, &run->workspace, run->stream), "fi_plan", spec) ||
      !layer_succeeded(fi_run(run->kernels[ROLE_APPEND], &tensors, &run->workspace, run->stream), "fi_run",
                       run->reports[ROLE_APPEND].spec))
    return false;
  if (attention != ROLE_APPEND &&
      !layer_succeeded(fi_run(run->kernels[attention], &tensors, &run->workspace, run->stream), "fi_run", spec))
    return false;
  return layer_works(run);
}

struct timed_role {
  struct layer_run *run;
  enum role role;
};

static bool launch_role(void *user, uint32_t set, void *stream) {
  const struct timed_role *timed = user;
  struct layer_run *run = timed->run;
  const fi_tensors tensors = layer_tensors(run, false);
  (void)set; /* there is one batch */
  return layer_succeeded(fi_run(run->kernels[timed->role], &tensors, &run->workspace, stream), "fi_run",
                         run->reports[timed->role].spec);
}

/* Each kernel is timed in one step. */
bool layer_part_time(struct layer_run *run, enum role role, const struct step *step) {
  struct report *report = &run->reports[role];
  if (run->device->simulated || run->timed[role] != step)
    return true;
  struct timed_role user = {run, role};
  const struct timed timed = {
      .launch = launch_role, .user = &user, .sets = 1, .launches = TIMED_LAUNCHES, .replays = run->settings->repeat};
  struct timing timing = {0};
  const bool launched = time_launches(run->device, run->stream, &timed, &timing);
  report->microseconds = timing.median;
  return layer_works(run) && launched;
}

void layer_part_free(struct layer_run *run) {
  if (run->device)
    device_use(run->device);
  batch_free(&run->batch, run->device);
  mirror_free(&run->rope_table, run->device);
  device_free(run->device, run->workspace.memory);
  device_free(run->device, run->workspace.scratch);
  device_stream_destroy(run->device, run->stream);
}
