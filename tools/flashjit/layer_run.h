/* Runs one kind of layer on a batch of requests: all phases, each launch timed and verified. */
#ifndef TOOLS_FLASHJIT_LAYER_RUN_H
#define TOOLS_FLASHJIT_LAYER_RUN_H

#include "tools/common/device.h"
#include "tools/flashjit/report.h"
#include "tools/flashjit/trace.h"

struct run_settings {
  const struct trace *trace;
  uint32_t page_size;
  const char *target; /* of the context's kernels */
  uint64_t seed;
  uint32_t repeat; /* timed replays, on a real device */
  bool verify;
};

/* Appends a report for each kernel. Returns an exit code, after complaints. */
int layer_run(struct device *device, fi_ctx *ctx, const struct model_layer *layer, const struct run_settings *settings,
              json_t *reports);

#endif
