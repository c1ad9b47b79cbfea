/* One graph of launches over cold inputs, one of plans, and a look at the output. */
#include "tools/bench/measure_case.h"

#include "tools/bench/case_data.h"
#include "tools/common/timing.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/version.h"

#include <math.h>
#include <stdlib.h>

enum { LAUNCHES = 24 };

static bool launch_run(void *user, uint32_t set, void *stream) {
  const struct case_data *data = user;
  const fi_tensors tensors = case_tensors(data, set);
  const fi_workspace workspace = case_workspace(data, set);
  return fi_run(data->kernel, &tensors, &workspace, stream) == FI_OK || problem_set("fi_run: %s", fi_last_error());
}

static bool launch_plan(void *user, uint32_t set, void *stream) {
  const struct case_data *data = user;
  const fi_batch batch = case_batch(data, set);
  const fi_workspace workspace = case_workspace(data, set);
  return fi_plan(data->kernel, &batch, &workspace, stream) == FI_OK || problem_set("fi_plan: %s", fi_last_error());
}

/* Adds the times of a launch under a name. The simulator's say nothing, and it launches once, for the output. */
static bool time_launch(const struct measuring *measuring, struct case_data *data, timed_launch launch,
                        const char *name, json_t *measured) {
  if (measuring->device->simulated) {
    const bool launched = launch(data, 0, measuring->stream);
    device_sync(measuring->device, measuring->stream);
    return launched;
  }
  double *samples = calloc(measuring->replays, sizeof *samples);
  struct timing timing;
  const struct timed timed = {.launch = launch,
                              .user = data,
                              .sets = data->sets,
                              .launches = LAUNCHES,
                              .replays = measuring->replays,
                              .samples = samples};
  const bool worked = samples ? time_launches(data->device, measuring->stream, &timed, &timing)
                              : problem_set("no host memory for %u times", measuring->replays);
  json_t *array = json_array();
  for (uint32_t i = 0; i < measuring->replays && worked; i++)
    json_array_append_new(array, json_real(samples[i]));
  json_object_set_new(measured, name, array);
  free(samples);
  return worked;
}

static void set_status(json_t *measured, const char *status, const char *reason) {
  json_object_set_new(measured, "status", json_string(status));
  if (reason)
    json_object_set_new(measured, "reason", json_string(reason));
}

static void set_error(json_t *measured, const struct case_error *error) {
  json_object_set_new(measured, "error", isfinite(error->error) ? json_real(error->error) : json_null());
  json_object_set_new(measured, "allowed", json_real(error->allowed));
  set_status(measured, error->passed ? "ok" : "wrong", *error->reason ? error->reason : NULL);
}

static bool is_usable(const struct device *device) {
  return !device_failed(device) || problem_set("%s", device->error);
}

static bool run_case(const struct measuring *measuring, const struct bench_case *what, struct case_data *data,
                     json_t *measured) {
  random_state random = measuring->seed;
  struct case_error error;
  struct device *device = measuring->device;
  const bool worked = case_data_make(data, what, device, measuring->ctx, &random) &&
                      time_launch(measuring, data, launch_run, "samples", measured) &&
                      time_launch(measuring, data, launch_plan, "plan_samples", measured) && is_usable(device) &&
                      case_check(data, &random, &error);
  if (worked)
    set_error(measured, &error);
  return worked;
}

static const char *reason_of(const struct device *device, const struct case_data *data) {
  return device_failed(device) ? device->error : data ? problem_last() : "no host memory";
}

/* A device that another case has lost stays lost. */
json_t *measure_case(const struct measuring *measuring, const struct bench_case *what) {
  char version[LIBRARY_VERSION_SIZE];
  library_version(version);
  json_t *measured = json_pack("{s:s, s:s, s:b}", "provider", "flashjit", "version", version, "simulated",
                               measuring->device->simulated);
  struct case_data *data = calloc(1, sizeof *data);
  const bool worked = measured && data && is_usable(measuring->device) && run_case(measuring, what, data, measured);
  if (measured && !worked)
    set_status(measured, "failed", reason_of(measuring->device, data));
  if (data)
    case_data_free(data);
  free(data);
  device_recover(measuring->device);
  return measured;
}
