/* What the run of a layer goes through its steps with, when its tokens are divided over devices. */
#ifndef TOOLS_FLASHJIT_CONTEXT_STATE_H
#define TOOLS_FLASHJIT_CONTEXT_STATE_H

#include "tools/flashjit/exchange.h"

struct context_run {
  struct layer_run whole; /* in host memory: inputs, the cache as one device would have it, results, reports */
  struct context_part *parts;
  uint32_t count;
  fi_kernel *merge;
  char merge_spec[FI_SPEC_TEXT_SIZE];
  struct exchange exchange;
};

/* Whether the part's device has not failed; else a complaint. */
bool context_works(const struct context_part *part);

/* Enqueues a kernel of the step on the part's device, which is current. */
bool context_launch(const struct context_run *run, const struct context_part *part, enum role role,
                    const struct step *step);

/* Enqueues the exchange of the step's states and their merge on all devices. */
bool context_merge(struct context_run *run, const struct step *step);

/* On real devices: times each kernel, on the first of them, and what comes after attention, in the one step that they
 * are timed in. False after a complaint. */
bool context_time(struct context_run *run, const struct step *step);

#endif
