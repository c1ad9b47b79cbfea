/* Runs one kind of layer through the steps of a schedule, each launch verified, and one of each kernel timed. */
#ifndef TOOLS_FLASHJIT_LAYER_RUN_H
#define TOOLS_FLASHJIT_LAYER_RUN_H

#include "tools/common/device.h"
#include "tools/flashjit/report.h"
#include "tools/flashjit/schedule.h"

struct run_settings {
  struct device *devices; /* that have shares of the layers' heads */
  uint32_t device_count;
  const struct schedule *schedule;
  uint32_t scale; /* what lengths were divided by: lists are, too */
  uint32_t page_size;
  const char *target; /* of the context's kernels */
  uint64_t seed;
  uint32_t repeat; /* timed replays, on a real device */
  bool verify;
};

/*
 * Appends a report for each kernel. Returns an exit code, after complaints. `layer` is the share of one device, `whole`
 * what all have together.
 */
int layer_run(fi_ctx *ctx, const struct model_layer *layer, const struct model_layer *whole,
              const struct run_settings *settings, json_t *reports);

#endif
