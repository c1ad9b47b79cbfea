/* What the run of one kind of layer goes through its steps with, on one device. */
#ifndef TOOLS_FLASHJIT_LAYER_STATE_H
#define TOOLS_FLASHJIT_LAYER_STATE_H

#include "tools/flashjit/batch_share.h"
#include "tools/flashjit/layer_run.h"

/*
 * Of a layer that several devices have shares of, each device has such a struct; one more, with NULL for the device, is
 * the whole layer in host memory.
 */
struct layer_run {
  struct device *device;
  struct share share;
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
  fi_workspace index_workspace;   /* of an indexer and the append of its keys */
  bool plans_index;               /* which have a plan of their own; else attention's, in its workspace */
  fi_kernel *kernels[ROLE_COUNT]; /* NULL of a role that the layer has not */
  fi_spec specs[ROLE_COUNT];      /* what they compute, every default filled in */
  struct report reports[ROLE_COUNT];
};

/* Whether the device has not failed; else a complaint. */
bool layer_works(const struct layer_run *run);

/* What its kernels take, with the device's pointers or the host's: those of attention, and those of a role. */
fi_tensors layer_tensors(const struct layer_run *run, bool on_host);
fi_tensors layer_role_tensors(const struct layer_run *run, enum role role, bool on_host);

/* Whether a call of the library succeeded; else a complaint. */
bool layer_succeeded(fi_status status, const char *call, const char *spec);

/* A workspace is allocated for several kernels: it is widened for each, then given memory. */
bool layer_widen(fi_workspace *workspace, const fi_kernel *kernel, const char *spec);
void layer_give_memory(fi_workspace *workspace, struct device *device);

/* The kernel of a role, on the current device, with its report. */
bool layer_get_kernel(struct layer_run *run, enum role role, const fi_spec *spec);

/* Of Q, so that logits deviate by about 1, as those of models do; or by as much as a cap bends. */
double layer_q_deviation(const struct layer *layer);

/* The lists of a layer: shorter by the factor that lengths are, and no longer than the longest request has blocks. */
struct listing layer_listing(const struct model_layer *layer, const struct run_settings *settings);

/* Each makes device, ctx, layer, settings and share of a run into more of it; false after a complaint. */
bool layer_make_rope_table(struct layer_run *run);
bool layer_part_prepare(struct layer_run *run);
void layer_part_free(struct layer_run *run);

/* Finds the step with the most work for each kernel. */
void layer_choose_timed(struct layer_run *run);

/* Enqueues a step on the device, which is current; false after a complaint. */
bool layer_part_launch(struct layer_run *run, const struct step *step);

/* On a real device, times the kernels that are timed in this step. */
bool layer_part_time(struct layer_run *run, const struct step *step);

/* Holds what a step has left, which is on the host, against the reference; false after a complaint. */
bool layer_check_step(struct layer_run *run, const struct step *step);

/* Whether a step launches the kernel of a role. */
bool layer_step_has(const struct layer_run *run, const struct step *step, enum role role);

/* After the last step: nothing was written but what each step should. */
bool layer_check_rest(struct layer_run *run);

#endif
