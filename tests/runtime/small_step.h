/* A decode of two requests on the simulator's memory, for tests that are about what surrounds it. */
#ifndef TESTS_RUNTIME_SMALL_STEP_H
#define TESTS_RUNTIME_SMALL_STEP_H

#include "tools/common/device.h"

#include <flashjit.h>

#define SMALL_STEP_SPEC "attention hd=64 group=2 page=16"

enum {
  SMALL_REQUESTS = 2,
  SMALL_HEADS = 2,
  SMALL_DIM = 64,
  SMALL_O_BYTES = SMALL_REQUESTS * SMALL_HEADS * SMALL_DIM * 2
};

struct small_step {
  struct device device;
  char *memory; /* a device address: lengths, page table, Q, K, V, O */
  fi_workspace workspace;
  unsigned char o[SMALL_O_BYTES]; /* of the last step that was read */
};

/* The device of a driver, which becomes the thread's current one. Ends the program when there is none. */
void small_step_open(struct small_step *step, const char *driver);
void small_step_close(struct small_step *step);

/* The kernel of SMALL_STEP_SPEC. */
fi_status small_step_kernel(fi_ctx *ctx, fi_kernel **kernel);
/* Memory for a workspace, if there is none yet. */
fi_status small_step_workspace(struct small_step *step, fi_kernel *kernel);
fi_status small_step_plan(struct small_step *step, fi_kernel *kernel);
fi_status small_step_run(struct small_step *step, fi_kernel *kernel);
/* Waits, and reads O, which is spoiled before the next step. */
void small_step_read(struct small_step *step);

#endif
