/* Captures launches into a graph and times its replays. */
#include "tools/bench/timing.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPLAYS = 21, WARM_UP = 3, LEAST_LAUNCHES = 24 };

static fi_status run_once(struct case_data *data, uint32_t set, void *stream) {
  return fi_run(data->kernel, &data->tensors[set], &data->workspace[set], stream);
}

static fi_status plan_once(struct case_data *data, uint32_t set, void *stream) {
  return fi_plan(data->kernel, &data->batch[set], &data->workspace[set], stream);
}

static int compare(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

static struct timing time_graph(struct case_data *data, void *stream,
                                fi_status (*launch)(struct case_data *, uint32_t, void *)) {
  struct device *device = data->device;
  const uint32_t rounds = (LEAST_LAUNCHES + data->sets - 1) / data->sets;
  fi_status status = FI_OK;
  device_capture_begin(device, stream);
  for (uint32_t i = 0; i < rounds * data->sets && status == FI_OK; i++)
    status = launch(data, i % data->sets, stream);
  void *graph = device_capture_end(device, stream);
  if (status)
    fprintf(stderr, "%s: %s: %s\n", data->what->spec, fi_status_name(status), fi_last_error());
  void *begin = device_event_create(device);
  void *end = device_event_create(device);
  double times[REPLAYS];
  for (int i = -WARM_UP; i < REPLAYS && status == FI_OK; i++) {
    device_event_record(device, begin, stream);
    device_graph_launch(device, graph, stream);
    device_event_record(device, end, stream);
    const double elapsed = device_event_elapsed(device, begin, end);
    if (i >= 0)
      times[i] = 1e3 * elapsed / (rounds * data->sets);
  }
  device_event_destroy(device, begin);
  device_event_destroy(device, end);
  device_graph_destroy(device, graph);
  if (status || device_failed(device))
    return (struct timing){0, 0, 0};
  qsort(times, REPLAYS, sizeof *times, compare);
  return (struct timing){times[REPLAYS / 2], times[0], times[REPLAYS - 1]};
}

struct timing time_run(struct case_data *data, void *stream) {
  return time_graph(data, stream, run_once);
}

struct timing time_plan(struct case_data *data, void *stream) {
  return time_graph(data, stream, plan_once);
}
