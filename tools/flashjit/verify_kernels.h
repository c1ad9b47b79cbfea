/* A list of kernels, each held against the reference on the device. */
#ifndef TOOLS_FLASHJIT_VERIFY_KERNELS_H
#define TOOLS_FLASHJIT_VERIFY_KERNELS_H

#include "tools/flashjit/spec_list.h"
#include "tools/flashjit/workers.h"

struct verified_kernel {
  char text[FI_SPEC_TEXT_SIZE]; /* the spec */
  fi_spec spec;
  fi_spec runs;   /* the kernel that runs: of a plan kernel, one that takes its plans */
  char skip[160]; /* why it is not run; "" else */
  bool has_ended; /* the result is there */
  struct job_result result;
};

struct verification {
  const char *target;
  uint32_t mode; /* of the context: FI_MODE_LOAD_ONLY for what is cached */
  uint64_t seed;
  struct verified_kernel *kernels; /* in the order of their texts */
  size_t count;
  size_t room;
  size_t other_targets; /* cached kernels that are left out */
  bool is_partial;      /* some of what is cached could not be read, which was told */
  struct job *jobs;
};

enum verify_state { VERIFY_RIGHT, VERIFY_WRONG, VERIFY_FAILED, VERIFY_SKIPPED, VERIFY_NOT_RUN, VERIFY_STATES };

const char *verify_state_name(enum verify_state state);
enum verify_state verify_state_of(const struct verified_kernel *kernel);

/* Why a kernel is not right; "" of one that is. */
const char *verify_why(const struct verified_kernel *kernel);

/* Each adds kernels, each text once: those of a list, or all of bundles, read-only folders and the user's cache that
 * are for the target. An exit code, after a complaint. */
int verify_add_specs(struct verification *verification, const struct spec_list *list);
int verify_add_cached(struct verification *verification);

/* Runs them, with progress and what is wrong on stderr. Returns 0, or the number of the signal that stopped it: what it
 * had not ended by then is VERIFY_NOT_RUN. */
int verify_run(struct verification *verification);

void verify_free(struct verification *verification);

#endif
