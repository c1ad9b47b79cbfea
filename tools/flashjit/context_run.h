/* Runs one kind of layer with the tokens of each request divided over devices, by pages. */
#ifndef TOOLS_FLASHJIT_CONTEXT_RUN_H
#define TOOLS_FLASHJIT_CONTEXT_RUN_H

#include "tools/flashjit/layer_run.h"

/* As layer_run: appends a report for each kernel, and returns an exit code after complaints. */
int context_run(fi_ctx *ctx, const struct model_layer *layer, const struct run_settings *settings, json_t *reports);

#endif
