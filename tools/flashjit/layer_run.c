/* One kind of layer, taken through the steps of a schedule on one or more devices. */
#include "tools/flashjit/layer_run.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/layer_state.h"

#include <stdlib.h>

/* With one device the whole layer is its part. */
struct divided_run {
  struct layer_run *parts;
  uint32_t count;
  struct layer_run *whole;
  struct layer_run host; /* of several */
};

/* ------------------------------------------------------------------------------------------------ prepare */

/* All inputs are the whole layer's, from which each device takes its share. */
static bool divide(struct divided_run *run, const struct model_layer *whole_layer) {
  const struct layer_run *first = &run->parts[0];
  struct layer_run *whole = run->whole;
  random_state random = first->settings->seed;
  fi_spec spec = first->batch.spec;
  const struct listing listing = layer_listing(whole_layer, first->settings);
  spec.group = whole_layer->spec.group;
  *whole = *first;
  whole->layer = whole_layer;
  whole->device = NULL;
  whole->batch = (struct batch_memory){0};
  whole->rope_table = (struct mirror){0};
  whole->workspace = (fi_workspace){0};
  whole->index_workspace = (fi_workspace){0};
  whole->stream = NULL;
  if (!batch_create(&whole->batch, NULL, &spec, whole_layer->kv_heads, layer_q_deviation(&whole_layer->layer),
                    whole_layer->layer.rel_extent, &listing, first->settings->schedule, &random)) {
    complain("out of memory");
    return false;
  }
  if (!layer_make_rope_table(whole))
    return false;
  for (uint32_t i = 0; i < run->count; i++) {
    struct layer_run *part = &run->parts[i];
    device_use(part->device);
    batch_take_share(&part->batch, &whole->batch, part->share, part->device);
    if (!layer_works(part))
      return false;
  }
  return true;
}

static bool prepare(struct divided_run *run, const struct model_layer *whole_layer) {
  for (uint32_t i = 0; i < run->count; i++) {
    if (!layer_part_prepare(&run->parts[i]))
      return false;
  }
  return run->count == 1 || divide(run, whole_layer);
}

/* ------------------------------------------------------------------------------------------------ a step */

/* All devices work at once. */
static bool launch(const struct divided_run *run, const struct step *step) {
  for (uint32_t i = 0; i < run->count; i++) {
    struct layer_run *part = &run->parts[i];
    device_use(part->device);
    batch_begin_step(&part->batch, part->device, step);
    if (!layer_works(part) || !layer_part_launch(part, step))
      return false;
  }
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    device_sync(run->parts[i].device, run->parts[i].stream);
    if (!layer_works(&run->parts[i]))
      return false;
  }
  return true;
}

/* On the first device: the others have as much to do. */
static bool time_kernels(const struct divided_run *run, const struct step *step) {
  device_use(run->parts[0].device);
  return layer_part_time(&run->parts[0], step);
}

static bool bring_to_host(const struct divided_run *run, const struct step *step) {
  bool is_equal = true;
  for (uint32_t i = 0; i < run->count; i++) {
    struct layer_run *part = &run->parts[i];
    uint32_t kv_head;
    const char *what;
    device_use(part->device);
    batch_download_step(&part->batch, part->device, step);
    if (!layer_works(part))
      return false;
    if (run->count == 1 || batch_give_share(&part->batch, &run->whole->batch, part->share, step, &kv_head, &what))
      continue;
    complain("wrong cache: device %u has other bytes of %s, KV head %u, than device %u", i, what, kv_head, i - 1);
    run->whole->reports[ROLE_APPEND].passed = false;
    is_equal = false;
  }
  return is_equal;
}

static bool check(const struct divided_run *run, const struct step *step) {
  const bool is_equal = bring_to_host(run, step);
  return layer_check_step(run->whole, step) && is_equal;
}

static bool run_step(const struct divided_run *run, const struct step *step) {
  if (run->count > 1)
    batch_begin_step(&run->whole->batch, NULL, step);
  if (!launch(run, step) || !time_kernels(run, step))
    return false;
  return !run->parts[0].settings->verify || check(run, step);
}

/* ------------------------------------------------------------------------------------------ the whole run */

static bool has_failed(const struct divided_run *run) {
  bool failed = false;
  for (uint32_t i = 0; i < run->count; i++)
    failed |= device_failed(run->parts[i].device);
  return failed;
}

static bool check_rest(const struct divided_run *run) {
  bool right = true;
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    right &= layer_check_rest(&run->parts[i]);
    run->whole->reports[ROLE_APPEND].passed &= run->parts[i].reports[ROLE_APPEND].passed;
  }
  return right;
}

static bool run_steps(const struct divided_run *run) {
  const struct schedule *schedule = run->parts[0].settings->schedule;
  bool right = true;
  for (size_t s = 0; s < schedule->step_count && !has_failed(run); s++)
    right &= run_step(run, &schedule->steps[s]);
  if (run->parts[0].settings->verify && !has_failed(run))
    right &= check_rest(run);
  return right;
}

static void report(const struct divided_run *run, json_t *reports) {
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    if (!run->parts[0].kernels[role])
      continue;
    run->whole->reports[role].microseconds = run->parts[0].reports[role].microseconds;
    json_array_append_new(reports, report_json(&run->whole->reports[role]));
  }
}

int layer_run(fi_ctx *ctx, const struct model_layer *layer, const struct model_layer *whole,
              const struct run_settings *settings, json_t *reports) {
  struct divided_run run = {.count = settings->device_count};
  bool right = false;
  run.parts = calloc(run.count, sizeof *run.parts);
  run.whole = run.count > 1 ? &run.host : run.parts;
  if (!run.parts) {
    complain("out of memory");
    return CLI_FAILED;
  }
  for (uint32_t i = 0; i < run.count; i++)
    run.parts[i] = (struct layer_run){.device = &settings->devices[i],
                                      .share = {i, run.count},
                                      .ctx = ctx,
                                      .layer = layer,
                                      .settings = settings,
                                      .random = settings->seed};
  if (prepare(&run, whole)) {
    right = run_steps(&run);
    report(&run, reports);
  }
  for (uint32_t i = 0; i < run.count; i++)
    layer_part_free(&run.parts[i]);
  layer_part_free(&run.host);
  free(run.parts);
  return right ? CLI_OK : CLI_FAILED;
}
