/* Times of launches: medians over replays of a graph that holds many of them, on rotating inputs. */
#ifndef TOOLS_BENCH_TIMING_H
#define TOOLS_BENCH_TIMING_H

#include "tools/bench/case_data.h"

/* Microseconds of one launch: the median of the replays, and the fastest and slowest of them. */
struct timing {
  double median;
  double least;
  double most;
};

struct timing time_run(struct case_data *data, void *stream);
struct timing time_plan(struct case_data *data, void *stream);

#endif
