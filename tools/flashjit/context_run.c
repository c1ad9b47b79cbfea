/*
 * Each device attends over its tokens; the states are exchanged, and each device merges them. What tokens a query token
 * sees of those on a device is no plain mask there: a mask of bits says it, or for single tokens where they begin.
 */
#include "tools/flashjit/context_run.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/context_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ kernels */

/* From the spec of the whole layer to that of a device. */
static void divide_spec(enum role role, fi_spec *spec) {
  const bool is_local = spec->window_left > 0 || spec->chunk > 0;
  if (spec->rope != FI_ROPE_NONE)
    spec->rope_positions = FI_POSITIONS_ARRAY;
  if (role == ROLE_APPEND) {
    spec->slots = FI_SLOTS_INT32;
    return;
  }
  spec->lse = FI_LSE_NATURAL;
  spec->mask = FI_MASK_NONE;
  spec->window_left = spec->window_right = spec->chunk = spec->ranges = 0;
  spec->mask_bits = role != ROLE_DECODE;
  spec->kv_start = role == ROLE_DECODE && is_local;
}

/* What the reference computes is the whole layer. */
static void restore_spec(const fi_spec *asked, fi_spec *spec) {
  spec->rope_positions = asked->rope_positions;
  spec->slots = asked->slots;
  spec->lse = asked->lse;
  spec->mask = asked->mask;
  spec->window_left = asked->window_left;
  spec->window_right = asked->window_right;
  spec->chunk = asked->chunk;
  spec->ranges = asked->ranges;
  spec->mask_bits = asked->mask_bits;
  spec->kv_start = asked->kv_start;
}

static bool get_merge(struct context_run *run, const fi_spec *attention) {
  fi_spec spec;
  fi_spec_init(&spec);
  spec.op = FI_OP_MERGE;
  spec.head_dim = attention->v_dim;
  spec.q_dtype = attention->q_dtype;
  fi_spec_print(&spec, run->merge_spec, sizeof run->merge_spec);
  return layer_succeeded(fi_get_kernel(run->whole.ctx, &spec, &run->merge), "fi_get_kernel", run->merge_spec);
}

static bool get_kernels(struct context_run *run) {
  struct layer_run *whole = &run->whole;
  for (enum role role = 0; role < PLAIN_ROLES; role++) {
    fi_spec asked, spec;
    role_spec(whole->layer, whole->settings->page_size, role, whole->settings->target, &asked);
    spec = asked;
    divide_spec(role, &spec);
    if (!layer_get_kernel(whole, role, &spec))
      return false;
    restore_spec(&asked, &whole->specs[role]);
  }
  return get_merge(run, &whole->specs[ROLE_DECODE]);
}

static bool prepare_kernels(const struct context_run *run) {
  for (enum role role = 0; role < PLAIN_ROLES; role++)
    if (!layer_succeeded(fi_kernel_prepare(run->whole.kernels[role]), "fi_kernel_prepare",
                         run->whole.reports[role].spec))
      return false;
  return layer_succeeded(fi_kernel_prepare(run->merge), "fi_kernel_prepare", run->merge_spec);
}

/* ------------------------------------------------------------------------------------------------ prepare */

bool context_works(const struct context_part *part) {
  if (device_failed(part->device))
    complain("%s: device %u: %s", part->whole->layer->kind, part->share.number, part->device->error);
  return !device_failed(part->device);
}

/* One that is large enough for each kernel; append takes slots, and no plan. */
static bool make_workspace(const struct context_run *run, struct context_part *part) {
  const struct schedule *schedule = run->whole.settings->schedule;
  fi_workspace *workspace = &part->workspace;
  *workspace = (fi_workspace){.struct_size = sizeof *workspace,
                              .max_requests = schedule->slots,
                              .max_tokens = schedule->max_tokens,
                              .max_kv_len = part->request_pages * run->whole.batch.spec.page_size,
                              .kv_heads = run->whole.batch.kv_heads};
  for (enum role role = 0; role < PLAIN_ROLES; role++) {
    if (role == ROLE_APPEND)
      continue;
    if (!layer_widen(workspace, run->whole.kernels[role], run->whole.reports[role].spec))
      return false;
  }
  layer_give_memory(workspace, part->device);
  return context_works(part);
}

static void tell_size(const struct context_run *run) {
  const struct schedule *schedule = run->whole.settings->schedule;
  const struct context_part *part = &run->parts[0];
  const double bytes = (double)(part->buffers[CONTEXT_K_CACHE].bytes + part->buffers[CONTEXT_V_CACHE].bytes);
  fprintf(stderr, "# %s: %zu steps of at most %u tokens; %u requests at once; a cache of %.1f MiB on each device\n",
          run->whole.layer->kind, schedule->step_count, schedule->max_tokens, schedule->slots, bytes / (1 << 20));
}

static bool prepare(struct context_run *run) {
  struct layer_run *whole = &run->whole;
  device_use(&whole->settings->devices[0]);
  if (!get_kernels(run) || !exchange_open(&run->exchange, whole->settings->devices, run->count))
    return false;
  if (!batch_create(&whole->batch, NULL, &whole->specs[ROLE_DECODE], whole->layer->kv_heads,
                    layer_q_deviation(&whole->layer->layer), 0, NULL, whole->settings->schedule, &whole->random)) {
    complain("out of memory");
    return false;
  }
  if (!layer_make_rope_table(whole))
    return false;
  for (uint32_t i = 0; i < run->count; i++) {
    struct context_part *part = &run->parts[i];
    device_use(part->device);
    if (!prepare_kernels(run) || !context_part_create(part) || !make_workspace(run, part))
      return false;
  }
  layer_choose_timed(whole);
  tell_size(run);
  return true;
}

/* ------------------------------------------------------------------------------------------------ a step */

bool context_launch(const struct context_run *run, const struct context_part *part, enum role role,
                    const struct step *step) {
  const fi_tensors tensors = context_tensors(part, step);
  const fi_workspace *workspace = role == ROLE_APPEND ? NULL : &part->workspace;
  return layer_succeeded(fi_run(run->whole.kernels[role], &tensors, workspace, part->stream), "fi_run",
                         run->whole.reports[role].spec);
}

static bool attend(const struct context_run *run, const struct context_part *part, const struct step *step) {
  const enum role role = step->attention;
  const fi_batch lengths = context_lengths(part);
  if (!context_launch(run, part, ROLE_APPEND, step))
    return false;
  if (role == ROLE_APPEND)
    return true;
  return layer_succeeded(fi_plan(run->whole.kernels[role], &lengths, &part->workspace, part->stream), "fi_plan",
                         run->whole.reports[role].spec) &&
         context_launch(run, part, role, step);
}

static bool merge(const struct context_run *run, const struct context_part *part, const struct step *step) {
  const struct batch_memory *batch = &run->whole.batch;
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .o = part->buffers[CONTEXT_O].device,
                              .parts_o = part->buffers[CONTEXT_PARTS_O].device,
                              .parts_lse = part->buffers[CONTEXT_PARTS_LSE].device,
                              .parts = run->count,
                              .tokens = step->tokens,
                              .heads = batch->kv_heads * batch->spec.group};
  return layer_succeeded(fi_run(run->merge, &tensors, NULL, part->stream), "fi_run", run->merge_spec);
}

bool context_merge(struct context_run *run, const struct step *step) {
  if (!exchange_states(&run->exchange, run->parts, run->count, step->tokens))
    return false;
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    if (!merge(run, &run->parts[i], step))
      return false;
  }
  return true;
}

static bool wait_for_all(const struct context_run *run) {
  for (uint32_t i = 0; i < run->count; i++) {
    const struct context_part *part = &run->parts[i];
    device_use(part->device);
    device_sync(part->device, part->stream);
    if (!context_works(part))
      return false;
  }
  return true;
}

static bool launch(struct context_run *run, const struct step *step) {
  for (uint32_t i = 0; i < run->count; i++) {
    struct context_part *part = &run->parts[i];
    device_use(part->device);
    context_begin_step(part, step);
    if (!context_works(part) || !attend(run, part, step))
      return false;
  }
  return (step->attention == ROLE_APPEND || context_merge(run, step)) && wait_for_all(run);
}

/* ------------------------------------------------------------------------------------------------ check */

/* All devices have merged the same. */
static bool bring_output(struct context_run *run, const struct step *step) {
  const size_t bytes = step->tokens * batch_row_bytes(&run->whole.batch, BUFFER_O);
  void *o = run->whole.batch.buffers[BUFFER_O].host;
  bool is_equal = true;
  for (uint32_t i = 0; i < run->count; i++) {
    const struct context_part *part = &run->parts[i];
    const struct mirror *merged = &part->buffers[CONTEXT_O];
    device_use(part->device);
    mirror_download(merged, part->device, bytes);
    if (i == 0)
      memcpy(o, merged->host, bytes);
    else if (memcmp(o, merged->host, bytes) != 0)
      is_equal = false;
  }
  if (!is_equal)
    complain("wrong output: the devices have merged the same states to different bits");
  return is_equal;
}

static bool check(struct context_run *run, const struct step *step) {
  bool right = step->attention == ROLE_APPEND || bring_output(run, step);
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    context_give_tokens(&run->parts[i], step);
    if (!context_works(&run->parts[i]))
      return false;
  }
  return layer_check_step(&run->whole, step) && right;
}

/* Nothing was written but what each step should. */
static bool check_rest(struct context_run *run) {
  for (uint32_t i = 0; i < run->count; i++) {
    const struct context_part *part = &run->parts[i];
    device_use(part->device);
    for (enum context_buffer buffer = CONTEXT_K_CACHE; buffer <= CONTEXT_V_CACHE; buffer++) {
      size_t offset;
      if (mirror_is_equal(&part->buffers[buffer], part->device, &offset))
        continue;
      if (context_works(part))
        complain("wrong cache: byte %zu of %s of device %u was written when it should not", offset,
                 buffer == CONTEXT_K_CACHE ? "K" : "V", i);
      run->whole.reports[ROLE_APPEND].passed = false;
      return false;
    }
  }
  return true;
}

/* ------------------------------------------------------------------------------------------ the whole run */

static bool run_steps(struct context_run *run) {
  const struct run_settings *settings = run->whole.settings;
  bool right = true;
  for (size_t s = 0; s < settings->schedule->step_count; s++) {
    const struct step *step = &settings->schedule->steps[s];
    batch_begin_step(&run->whole.batch, NULL, step);
    if (!launch(run, step) || !context_time(run, step))
      return false;
    right &= !settings->verify || check(run, step);
  }
  return right && (!settings->verify || check_rest(run));
}

static bool can_be_divided(const struct model_layer *layer, const struct run_settings *settings) {
  const struct {
    bool holds;
    const char *what;
    const char *why;
  } obstacles[] = {
      {settings->page_size == 0, "a cache without pages (--page-size 0)", "a device has every Nth page of a request"},
      {layer->spec.bias != FI_BIAS_NONE, "biases by distance",
       "they go by places of tokens in the whole request, and a device counts its own tokens"},
      {layer->spec.snippet != FI_SNIPPET_NONE, "snippets",
       "they may go by places of tokens in the whole request, and a device counts its own tokens"},
      {layer->spec.select > 0, "lists of what query tokens see",
       "they name places in the whole request, and the best are chosen among all of it: no kernel takes a device's "
       "part out of them"},
  };
  for (size_t i = 0; i < sizeof obstacles / sizeof *obstacles; i++) {
    if (!obstacles[i].holds)
      continue;
    complain("%s: --context-parallel is not for %s: %s", layer->kind, obstacles[i].what, obstacles[i].why);
    return false;
  }
  return true;
}

int context_run(fi_ctx *ctx, const struct model_layer *layer, const struct run_settings *settings, json_t *reports) {
  struct context_run run = {
      .whole = {.share = {0, 1}, .ctx = ctx, .layer = layer, .settings = settings, .random = settings->seed},
      .count = settings->device_count,
  };
  bool right = false;
  if (!can_be_divided(layer, settings))
    return CLI_FAILED;
  run.parts = calloc(run.count, sizeof *run.parts);
  if (!run.parts) {
    complain("out of memory");
    return CLI_FAILED;
  }
  for (uint32_t i = 0; i < run.count; i++)
    run.parts[i] = (struct context_part){.device = &settings->devices[i], .share = {i, run.count}, .whole = &run.whole};
  if (prepare(&run)) {
    right = run_steps(&run);
    for (enum role role = 0; role < PLAIN_ROLES; role++)
      json_array_append_new(reports, report_json(&run.whole.reports[role]));
  }
  for (uint32_t i = 0; i < run.count; i++)
    context_part_free(&run.parts[i]);
  exchange_close(&run.exchange);
  layer_part_free(&run.whole);
  free(run.parts);
  return right ? CLI_OK : CLI_FAILED;
}
