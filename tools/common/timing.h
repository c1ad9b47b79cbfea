/*
 * How long a launch takes on the GPU. Some launches in a row are captured into a graph, so that the host has
 * no part in what is measured, and replays of the graph are timed with an event before and one after.
 */
#ifndef TOOLS_COMMON_TIMING_H
#define TOOLS_COMMON_TIMING_H

#include "tools/common/device.h"

#include <stdint.h>

/* Enqueues one launch that works on a set of inputs, below sets. False when it fails, which it complains
 * about. */
typedef bool (*timed_launch)(void *user, uint32_t set, void *stream);

struct timed {
  timed_launch launch;
  void *user;
  uint32_t sets;     /* 1 or more: launches take them in turn, so that inputs larger than L2 together are cold */
  uint32_t launches; /* of a graph, 1 or more; rounded up to a multiple of sets, so that all count alike */
  uint32_t replays;  /* that are timed, 1 or more */
  double *samples;   /* [replays] gets the microseconds of a launch of each replay, in order; may be NULL */
};

/* Microseconds of one launch, each that of a whole replay divided by its launches. */
struct timing {
  double median; /* of the replays; of an even number the upper one */
  double least;
  double most;
};

/* False when a launch or the device fails; device_failed tells which. The stream is one of
 * device_stream_create. */
bool time_launches(struct device *device, void *stream, const struct timed *timed, struct timing *timing);

#endif
