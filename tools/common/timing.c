/* Captures launches into a graph and times its replays. */
#include "tools/common/timing.h"

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP = 3 }; /* replays that are not timed: the first uploads the graph, and clocks rise */

/* NULL when a launch fails. The capture is ended in any case, so that the stream can be used. */
static void *capture(struct device *device, void *stream, const struct timed *timed, uint32_t launches) {
  bool launched = true;
  device_capture_begin(device, stream);
  for (uint32_t i = 0; i < launches && launched; i++)
    launched = timed->launch(timed->user, i % timed->sets, stream);
  void *graph = device_capture_end(device, stream);
  if (launched)
    return graph;
  device_graph_destroy(device, graph);
  return NULL;
}

/* Milliseconds of each replay. */
static void replay(struct device *device, void *stream, void *graph, uint32_t replays, double *times) {
  void *begin = device_event_create(device);
  void *end = device_event_create(device);
  for (uint32_t i = 0; i < WARM_UP + replays; i++) {
    device_event_record(device, begin, stream);
    device_graph_launch(device, graph, stream);
    device_event_record(device, end, stream);
    const double elapsed = device_event_elapsed(device, begin, end);
    if (i >= WARM_UP)
      times[i - WARM_UP] = elapsed;
  }
  device_event_destroy(device, begin);
  device_event_destroy(device, end);
}

static int compare(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

bool time_launches(struct device *device, void *stream, const struct timed *timed, struct timing *timing) {
  const uint32_t launches = (timed->launches + timed->sets - 1) / timed->sets * timed->sets;
  const double microseconds = 1e3 / launches; /* of a launch, for each millisecond of a replay */
  double *times = calloc(timed->replays, sizeof *times);
  if (!times && !device_failed(device))
    snprintf(device->error, sizeof device->error, "no host memory for %u times", timed->replays);
  void *graph = times ? capture(device, stream, timed, launches) : NULL;
  const bool captured = graph != NULL;
  if (captured) {
    replay(device, stream, graph, timed->replays, times);
    for (uint32_t i = 0; i < timed->replays && timed->samples; i++)
      timed->samples[i] = microseconds * times[i];
    qsort(times, timed->replays, sizeof *times, compare);
    *timing = (struct timing){.median = microseconds * times[timed->replays / 2],
                              .least = microseconds * times[0],
                              .most = microseconds * times[timed->replays - 1]};
  }
  device_graph_destroy(device, graph);
  free(times);
  return captured && !device_failed(device);
}
