/* A kernel: made once for a spec, then read by any thread. */
#ifndef RUNTIME_KERNEL_H
#define RUNTIME_KERNEL_H

#include "flashjit.h"
#include "generator/members.h"
#include "generator/tile.h"
#include "runtime/driver.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { KERNEL_MOST_DEVICES = 64 };

/* EMPTY: nobody has made it, or the last attempt failed for a reason that may pass. FAILED is for ever. */
enum kernel_state { KERNEL_EMPTY, KERNEL_BUILDING, KERNEL_READY, KERNEL_FAILED };

struct fi_kernel {
  fi_ctx *ctx;
  fi_spec spec; /* canonical */
  _Atomic(enum kernel_state) state;

  /* FAILED */
  fi_status failure;
  char *message;
  bool hopeless; /* the driver refuses what every compiler makes of it */

  /* READY */
  struct tile tile;
  struct module module;
  fi_facts facts;
  fi_kernel *plan; /* the kernel behind fi_plan, for an op that has a plan */

  /* With rows left at 0 the kernel itself has the fewest rows, and these have more and more. */
  uint32_t wider_count;
  fi_kernel *wider[MOST_MEMBERS - 1];

  /* By ordinal: the CTAs that the device holds at once; 0 until the kernel is prepared there. */
  _Atomic(uint32_t) device_ctas[KERNEL_MOST_DEVICES];
};

/* What a public call on a kernel needs first: FI_ERROR_ARGUMENT or FI_ERROR_FORKED. */
fi_status kernel_check(const fi_kernel *kernel);

/* Whether kernels of the context's target run on a device. */
fi_status kernel_check_device(fi_ctx *ctx, int ordinal);

/*
 * Makes sure that the kernel, its plan kernel and those of more rows are prepared on the current device, and tells how
 * many CTAs of the kernel itself that device holds at once. With a stream that is being captured, which is what
 * `stream` is for, FI_ERROR_CAPTURE.
 */
fi_status kernel_prepare(fi_kernel *kernel, uint32_t *ctas);
fi_status kernel_prepare_for_stream(fi_kernel *kernel, void *stream, uint32_t *ctas);

/* The kernel itself, and from number 1 on those of more rows. */
fi_kernel *kernel_member(fi_kernel *kernel, uint32_t number);

/* What the kernel's tile asks of a launch. */
struct shape kernel_shape(const fi_kernel *kernel);

/* Enqueues one launch of a prepared kernel; launch->args is the op's argument. */
fi_status kernel_launch(const fi_kernel *kernel, const struct launch *launch);

#endif
