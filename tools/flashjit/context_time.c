/* How long the kernels of divided tokens take, and what comes after them. */
#include "tools/flashjit/context_state.h"

#include "tools/common/timing.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMED_LAUNCHES = 8 }; /* in a graph: enough that its own start does not count */

struct timed_role {
  const struct context_run *run;
  enum role role;
  const struct step *step;
};

static bool launch_role(void *user, uint32_t set, void *stream) {
  const struct timed_role *timed = user;
  (void)set;    /* there is one batch */
  (void)stream; /* the part's */
  return context_launch(timed->run, &timed->run->parts[0], timed->role, timed->step);
}

static bool time_role(struct context_run *run, enum role role, const struct step *step) {
  const struct context_part *part = &run->parts[0];
  struct timed_role user = {run, role, step};
  const struct timed timed = {.launch = launch_role,
                              .user = &user,
                              .sets = 1,
                              .launches = TIMED_LAUNCHES,
                              .replays = run->whole.settings->repeat};
  struct timing timing = {0};
  if (run->whole.timed[role] != step)
    return true;
  device_use(part->device);
  const bool launched = time_launches(part->device, part->stream, &timed, &timing);
  run->whole.reports[role].microseconds = timing.median;
  run->whole.reports[role].work /= run->count;
  return context_works(part) && launched;
}

/* ---------------------------------------------------------------------------------------------- on all devices */

/* What devices do together in a decode step: they exchange and merge, and may attend before. */
struct together {
  struct context_run *run;
  const struct step *step;
  bool attends;
};

static bool launch_all(const struct together *together) {
  struct context_run *run = together->run;
  for (uint32_t i = 0; i < run->count && together->attends; i++) {
    device_use(run->parts[i].device);
    if (!context_launch(run, &run->parts[i], together->step->attention, together->step))
      return false;
  }
  return context_merge(run, together->step);
}

/* One graph for each device; none can be made before all captures have ended. */
static bool capture(const struct together *together, void **graphs) {
  const struct context_run *run = together->run;
  bool captured = true;
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    device_capture_begin(run->parts[i].device, run->parts[i].stream);
  }
  for (int n = 0; n < TIMED_LAUNCHES && captured; n++)
    captured = launch_all(together);
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    graphs[i] = device_capture_stop(run->parts[i].device, run->parts[i].stream);
  }
  for (uint32_t i = 0; i < run->count; i++) {
    device_use(run->parts[i].device);
    graphs[i] = device_graph_make(run->parts[i].device, graphs[i]);
    captured &= context_works(&run->parts[i]);
  }
  return captured;
}

/* Milliseconds on the first device. */
static double replay(const struct context_run *run, void *const *graphs, void *begin, void *end) {
  for (uint32_t i = 0; i < run->count; i++) {
    const struct context_part *part = &run->parts[i];
    device_use(part->device);
    if (i == 0)
      device_event_record(part->device, begin, part->stream);
    device_graph_launch(part->device, graphs[i], part->stream);
    if (i == 0)
      device_event_record(part->device, end, part->stream);
  }
  for (uint32_t i = run->count; i-- > 0;) {
    device_use(run->parts[i].device);
    device_sync(run->parts[i].device, run->parts[i].stream);
  }
  return device_event_elapsed(run->parts[0].device, begin, end);
}

/* Microseconds of a launch, in the fastest replay. */
static double replay_all(const struct context_run *run, void *const *graphs) {
  struct device *device = run->parts[0].device;
  device_use(device);
  void *begin = device_event_create(device);
  void *end = device_event_create(device);
  double least = replay(run, graphs, begin, end);
  for (uint32_t i = 0; i < run->whole.settings->repeat; i++) {
    const double milliseconds = replay(run, graphs, begin, end);
    least = milliseconds < least ? milliseconds : least;
  }
  device_event_destroy(device, begin);
  device_event_destroy(device, end);
  return least * 1e3 / TIMED_LAUNCHES;
}

static bool time_together(const struct together *together, double *microseconds) {
  const struct context_run *run = together->run;
  void **graphs = calloc(run->count, sizeof *graphs);
  const bool captured = graphs && capture(together, graphs);
  if (captured)
    *microseconds = replay_all(run, graphs);
  for (uint32_t i = 0; i < run->count && graphs; i++) {
    device_use(run->parts[i].device);
    device_graph_destroy(run->parts[i].device, graphs[i]);
  }
  free(graphs);
  return captured && context_works(&run->parts[0]);
}

static bool time_decode(struct context_run *run, const struct step *step) {
  const struct together merging = {run, step, false};
  const struct together attending = {run, step, true};
  double merged = 0;
  double all = 0;
  if (!time_together(&merging, &merged) || !time_together(&attending, &all))
    return false;
  fprintf(stderr,
          "# %s: exchange and merge of %u query tokens on %u devices: %.1f us; with attention before them %.1f us\n",
          run->whole.layer->kind, step->tokens, run->count, merged, all);
  return true;
}

bool context_time(struct context_run *run, const struct step *step) {
  const enum role role = step->attention;
  if (run->whole.settings->devices->simulated)
    return true;
  if (!time_role(run, ROLE_APPEND, step) || (role != ROLE_APPEND && !time_role(run, role, step)))
    return false;
  return step != run->whole.timed[ROLE_DECODE] || time_decode(run, step);
}
