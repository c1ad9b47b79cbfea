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

bool layer_widen(fi_workspace *workspace, const fi_kernel *kernel, const char *spec) {
  fi_workspace alone = *workspace;
  if (!layer_succeeded(fi_workspace_size(kernel, &alone), "fi_workspace_size", spec))
    return false;
  workspace->bytes = alone.bytes > workspace->bytes ? alone.bytes : workspace->bytes;
  if (alone.scratch_bytes > workspace->scratch_bytes)
    workspace->scratch_bytes = alone.scratch_bytes;
  return true;
}

void layer_give_memory(fi_workspace *workspace, struct device *device) {
  workspace->memory = device_alloc(device, workspace->bytes);
  workspace->scratch = device_alloc(device, workspace->scratch_bytes);
  device_fill(device, workspace->memory, POISON, workspace->bytes);
  device_fill(device, workspace->scratch, POISON, workspace->scratch_bytes);
}

double layer_q_deviation(const struct layer *layer) {
  enum { CAP_PER_DEVIATION = 24 };
  const double dims = layer_key_dim(layer);
  const double scale = layer_softmax_scale(layer) > 0 ? layer_softmax_scale(layer) : 1 / sqrt(dims);
  const double deviation = layer->softcap > 0 ? layer->softcap / CAP_PER_DEVIATION : 1;
  return deviation / (scale * sqrt(dims));
}

/* The most blocks, or entries, that a query token may see. */
static uint32_t most_blocks(const struct selection *selection, uint32_t max_kv_len) {
  const uint32_t entries = selection->ratio > 0 ? max_kv_len / selection->ratio : 0;
  if (selection->ratio > 0)
    return entries > 0 ? entries : 1;
  return (max_kv_len + selection->block - 1) / selection->block;
}

static uint32_t least(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

struct listing layer_listing(const struct model_layer *layer, const struct run_settings *settings) {
  const struct selection *selection = &layer->layer.selection;
  if (!selection->block)
    return (struct listing){0};
  const bool has_indexer = layer_indexer_supported(layer, settings->page_size, settings->target);
  const uint32_t blocks = most_blocks(selection, settings->schedule->max_kv_len);
  const uint32_t wanted =
      selection->entries > 0 ? (selection->entries + settings->scale - 1) / settings->scale : blocks;
  const uint32_t entries = least(wanted, blocks);
  const uint32_t first = least(selection->first_blocks, entries);
  return (struct listing){.block = selection->block,
                          .entries = entries,
                          .heads = selection->by_head ? layer->kv_heads : 1,
                          .seed = settings->seed,
                          .ratio = selection->ratio,
                          .index_heads = has_indexer ? layer_index_heads(layer) : 0,
                          .index_dim = selection->index_dim,
                          .by_head = selection->by_head,
                          .first_blocks = first,
                          .last_blocks = least(selection->last_blocks, entries - first)};
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

static bool is_of_index(enum role role) {
  return role == ROLE_INDEXER || role == ROLE_INDEX_KEYS;
}

/* One that is large enough for each kernel that runs on it; what takes slots needs none. */
static bool make_workspace(struct layer_run *run, fi_workspace *workspace) {
  const bool is_own = workspace == &run->index_workspace;
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    const bool is_here = is_of_index(role) ? is_own || !run->plans_index : !is_own;
    if (!run->kernels[role] || !is_here || run->specs[role].slots != FI_SLOTS_NONE)
      continue;
    if (!layer_widen(workspace, run->kernels[role], run->reports[role].spec))
      return false;
  }
  layer_give_memory(workspace, run->device);
  return layer_works(run);
}

/* An indexer has one head of keys. Of entries each query token is a request; else it may run on attention's plan. */
static bool make_workspaces(struct layer_run *run) {
  const struct schedule *schedule = run->settings->schedule;
  const struct batch_memory *batch = &run->batch;
  run->workspace = (fi_workspace){.struct_size = sizeof run->workspace,
                                  .max_requests = schedule->slots,
                                  .max_tokens = schedule->max_tokens,
                                  .max_kv_len = schedule->max_kv_len,
                                  .kv_heads = batch->kv_heads,
                                  .max_selected = batch->listing.entries};
  run->plans_index = batch->listing.index_heads > 0 && (batch->listing.ratio > 0 || batch->kv_heads > 1);
  if (!make_workspace(run, &run->workspace))
    return false;
  if (!run->plans_index)
    return true;
  run->index_workspace = run->workspace;
  run->index_workspace.bytes = run->index_workspace.scratch_bytes = 0;
  run->index_workspace.kv_heads = 1;
  if (batch->listing.ratio > 0) {
    run->index_workspace.max_requests = schedule->max_tokens;
    run->index_workspace.max_kv_len = batch->entries.most;
  }
  return make_workspace(run, &run->index_workspace);
}

/* ------------------------------------------------------------------------------------------------ work */

/* What query tokens see in a step: of all KV, by lists of blocks; or of a window, and by lists of entries. */
static double pairs_of(const struct layer_run *run, const struct step *step) {
  const struct listing *listing = &run->batch.listing;
  const struct schedule *schedule = run->settings->schedule;
  const double listed = listing->ratio > 0 ? 0 : (double)listing->entries * listing->block;
  double pairs = step_pairs(schedule, step, &run->batch.spec, listed);
  for (uint32_t p = 0; p < step->pieces && listing->ratio > 0; p++) {
    const struct piece *piece = &schedule->pieces[step->first + p];
    for (uint32_t place = piece->begin; place < piece->end; place++)
      pairs += listing_length(listing, place);
  }
  return pairs;
}

/* Keys that an indexer compares in a step. */
static double compared(const struct layer_run *run, const struct step *step) {
  const struct listing *listing = &run->batch.listing;
  double pairs = 0;
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &run->settings->schedule->pieces[step->first + p];
    for (uint32_t place = piece->begin; place < piece->end; place++)
      pairs += listing->ratio > 0 ? listing_blocks(listing, place) : place + 1;
  }
  return pairs;
}

static uint32_t new_entries(const struct layer_run *run, const struct step *step) {
  uint32_t entries = 0;
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece piece = batch_entry_piece(&run->batch, &run->settings->schedule->pieces[step->first + p]);
    entries += piece.end - piece.begin;
  }
  return entries;
}

/* Bytes that append reads and writes in a step. */
static double appended(const struct layer_run *run, enum role role, const struct step *step) {
  const struct batch_memory *batch = &run->batch;
  const uint32_t entries = new_entries(run, step);
  if (role == ROLE_ENTRIES)
    return entries * (double)(batch_row_bytes(batch, BUFFER_ENTRY_NEW) + batch_row_bytes(batch, BUFFER_ENTRY_CACHE));
  if (role == ROLE_INDEX_KEYS)
    return 2.0 * (batch->listing.ratio > 0 ? entries : step->tokens) * (double)batch_row_bytes(batch, BUFFER_INDEX_NEW);
  const size_t given = batch_row_bytes(batch, BUFFER_K_NEW) + batch_row_bytes(batch, BUFFER_V_NEW);
  const size_t stored = batch_row_bytes(batch, BUFFER_K_CACHE) + batch_row_bytes(batch, BUFFER_V_CACHE);
  return step->tokens * (double)(given + stored);
}

bool layer_step_has(const struct layer_run *run, const struct step *step, enum role role) {
  if (!run->kernels[role])
    return false;
  if (role == ROLE_ENTRIES || (role == ROLE_INDEX_KEYS && run->batch.listing.ratio > 0))
    return new_entries(run, step) > 0;
  if (role == ROLE_APPEND || role == ROLE_INDEX_KEYS)
    return true;
  return role == ROLE_INDEXER ? step->attention != ROLE_APPEND : role == step->attention;
}

/* What a kernel does in a step: floating-point operations of prefill and of an indexer, else bytes of K and V. */
static double work_of(const struct layer_run *run, enum role role, const struct step *step) {
  const struct batch_memory *batch = &run->batch;
  const struct listing *listing = &batch->listing;
  const fi_spec *spec = &batch->spec;
  const double dims = (double)batch->kv_heads * (spec->head_dim + spec->v_dim); /* of scores and O of a token */
  const double stored = (double)(batch_row_bytes(batch, BUFFER_K_CACHE) + batch_row_bytes(batch, BUFFER_V_CACHE));
  if (!layer_step_has(run, step, role))
    return 0;
  if (role == ROLE_APPEND || role == ROLE_ENTRIES || role == ROLE_INDEX_KEYS)
    return appended(run, role, step);
  if (role == ROLE_INDEXER)
    return compared(run, step) * 2 * listing->index_heads * listing->index_dim;
  if (role == ROLE_PREFILL)
    return pairs_of(run, step) * 2 * dims * spec->group;
  if (listing->ratio > 0)
    return pairs_of(run, step) * stored;
  return step_kv_tokens(run->settings->schedule, step, spec, (double)listing->entries * listing->block) * stored;
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
  const double all = (double)(batch_bytes(&run->batch) + run->workspace.bytes + run->workspace.scratch_bytes +
                              run->index_workspace.bytes + run->index_workspace.scratch_bytes);
  fprintf(stderr, "# %s: %zu steps of at most %u tokens; %u requests at once; a cache of %.1f MiB, %.1f MiB in all%s\n",
          run->layer->kind, schedule->step_count, schedule->max_tokens, schedule->slots,
          (double)batch_cache_bytes(&run->batch) / mega, all / mega, run->share.count > 1 ? ", on each device" : "");
  if (run->batch.listing.entries > 0 && run->layer->layer.selection.entries > 0 && !run->kernels[ROLE_INDEXER])
    fprintf(stderr, "# %s: lists are drawn at random, as they have no indexer here\n", run->layer->kind);
}

bool layer_part_prepare(struct layer_run *run) {
  if (!device_use(run->device))
    return layer_works(run);
  const struct listing listing = layer_listing(run->layer, run->settings);
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    fi_spec spec;
    if (role >= PLAIN_ROLES && (!layer_has_role(run->layer, role) || (is_of_index(role) && !listing.index_heads)))
      continue;
    role_spec(run->layer, run->settings->page_size, role, run->settings->target, &spec);
    if (!layer_get_kernel(run, role, &spec))
      return false;
  }
  run->stream = device_stream_create(run->device);
  const bool created = batch_create(&run->batch, run->device, &run->specs[ROLE_DECODE], run->layer->kv_heads,
                                    layer_q_deviation(&run->layer->layer), run->layer->layer.rel_extent, &listing,
                                    run->settings->schedule, &run->random) &&
                       layer_make_rope_table(run) && make_workspaces(run);
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

static void add_numbers(const struct layer_run *run, bool on_host, fi_tensors *tensors) {
  tensors->softmax_scale = (float)layer_softmax_scale(&run->layer->layer);
  tensors->softcap = (float)run->layer->layer.softcap;
  tensors->rope_table = on_host ? run->rope_table.host : run->rope_table.device;
  tensors->rope_magnitude = run->rope_magnitude;
}

fi_tensors layer_tensors(const struct layer_run *run, bool on_host) {
  fi_tensors tensors = batch_tensors(&run->batch, on_host);
  add_numbers(run, on_host, &tensors);
  return tensors;
}

fi_tensors layer_role_tensors(const struct layer_run *run, enum role role, bool on_host) {
  if (is_of_index(role))
    return batch_index_tensors(&run->batch, on_host);
  if (role != ROLE_ENTRIES)
    return layer_tensors(run, on_host);
  fi_tensors tensors = batch_entry_tensors(&run->batch, on_host);
  add_numbers(run, on_host, &tensors);
  return tensors;
}

static bool launch_role(struct layer_run *run, enum role role, void *stream) {
  const fi_tensors tensors = layer_role_tensors(run, role, false);
  const fi_workspace *workspace = is_of_index(role) && run->plans_index ? &run->index_workspace : &run->workspace;
  return layer_succeeded(fi_run(run->kernels[role], &tensors, workspace, stream), "fi_run", run->reports[role].spec);
}

static bool make_plan(struct layer_run *run, enum role role, const fi_batch *lengths, const fi_workspace *workspace) {
  return layer_succeeded(fi_plan(run->kernels[role], lengths, workspace, run->stream), "fi_plan",
                         run->reports[role].spec);
}

/* What takes its keys to slots has no plan. */
static bool plan_index(struct layer_run *run, const struct step *step) {
  const fi_batch lengths = batch_index_lengths(&run->batch, false);
  const enum role role = layer_step_has(run, step, ROLE_INDEXER) ? ROLE_INDEXER : ROLE_INDEX_KEYS;
  if (!run->plans_index || !layer_step_has(run, step, role) || run->specs[role].slots != FI_SLOTS_NONE)
    return true;
  return make_plan(run, role, &lengths, &run->index_workspace);
}

/* One step of a server: plans, and the launches of one layer that use them. Lists are made before they are read. */
bool layer_part_launch(struct layer_run *run, const struct step *step) {
  const enum role order[] = {ROLE_APPEND, ROLE_ENTRIES, ROLE_INDEX_KEYS, ROLE_INDEXER, step->attention};
  const fi_batch lengths = batch_lengths(&run->batch, false);
  if (!make_plan(run, step->attention, &lengths, &run->workspace) || !plan_index(run, step))
    return false;
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    const bool is_done = i > 0 && order[i] == ROLE_APPEND; /* of a step that does nothing else */
    if (layer_step_has(run, step, order[i]) && !is_done && !launch_role(run, order[i], run->stream))
      return false;
  }
  return layer_works(run);
}

struct timed_role {
  struct layer_run *run;
  enum role role;
};

static bool launch_timed(void *user, uint32_t set, void *stream) {
  const struct timed_role *timed = user;
  (void)set; /* there is one batch */
  return launch_role(timed->run, timed->role, stream);
}

static bool time_role(struct layer_run *run, enum role role) {
  struct timed_role user = {run, role};
  const struct timed timed = {
      .launch = launch_timed, .user = &user, .sets = 1, .launches = TIMED_LAUNCHES, .replays = run->settings->repeat};
  struct timing timing = {0};
  const bool launched = time_launches(run->device, run->stream, &timed, &timing);
  run->reports[role].microseconds = timing.median;
  return layer_works(run) && launched;
}

bool layer_part_time(struct layer_run *run, const struct step *step) {
  for (enum role role = 0; role < ROLE_COUNT && !run->device->simulated; role++) {
    if (run->timed[role] == step && !time_role(run, role))
      return false;
  }
  return true;
}

void layer_part_free(struct layer_run *run) {
  if (run->device)
    device_use(run->device);
  batch_free(&run->batch, run->device);
  mirror_free(&run->rope_table, run->device);
  device_free(run->device, run->workspace.memory);
  device_free(run->device, run->workspace.scratch);
  device_free(run->device, run->index_workspace.memory);
  device_free(run->device, run->index_workspace.scratch);
  device_stream_destroy(run->device, run->stream);
}
