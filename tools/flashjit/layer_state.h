/* What the run of one kind of layer goes through its steps with. */
#ifndef TOOLS_FLASHJIT_LAYER_STATE_H
#define TOOLS_FLASHJIT_LAYER_STATE_H

#include "tools/flashjit/batch_memory.h"
#include "tools/flashjit/layer_run.h"

struct layer_run {
  struct device *device;
  fi_ctx *ctx;
  const struct model_layer *layer;
  const struct run_settings *settings;
  void *stream;
  random_state random;
  struct batch_memory batch;
  const struct step *timed[ROLE_COUNT]; /* each kernel's step with the most work */
  struct mirror rope_table;             /* of a layer that rotates */
  float rope_magnitude;
  fi_workspace workspace;
  fi_kernel *kernels[ROLE_COUNT];
  struct report reports[ROLE_COUNT];
};

/* Whether the device has not failed; else a complaint. */
bool layer_works(const struct layer_run *run);

/* What its kernels take, with the device's pointers or the host's. */
fi_tensors layer_tensors(const struct layer_run *run, bool on_host);

/* Holds what a step has left on the device against the reference; false after a complaint. */
bool layer_check_step(struct layer_run *run, const struct step *step);

/* After the last step: nothing was written but what each step should. */
bool layer_check_rest(struct layer_run *run);

#endif
