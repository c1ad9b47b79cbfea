/* Times and checks one case by this library. */
#ifndef TOOLS_BENCH_MEASURE_CASE_H
#define TOOLS_BENCH_MEASURE_CASE_H

#include "tools/bench/bench_case.h"
#include "tools/common/device.h"

#include <jansson.h>

struct measuring {
  struct device *device;
  fi_ctx *ctx;
  void *stream;
  uint32_t replays; /* timed ones */
  uint64_t seed;    /* of the inputs */
};

/* What was measured, as bench_row takes it; a failure is a status. NULL without memory. */
json_t *measure_case(const struct measuring *measuring, const struct bench_case *what);

#endif
