/* Compiling a list of specs for a list of targets into the cache: what `build` and `bundle create` share. */
#ifndef TOOLS_FLASHJIT_BUILD_JOBS_H
#define TOOLS_FLASHJIT_BUILD_JOBS_H

#include "tools/flashjit/machine.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/workers.h"

#include <stdio.h>

struct build_choice {
  const char *command; /* the subcommand, for complaints */
  const char *specs;
  struct model_options model;
  bool with_plan;          /* the plainest plan kernel in any case */
  char *targets;           /* with commas; cut up by build_kernels; NULL: the library's choice */
  char found[TARGET_SIZE]; /* that choice */
  uint64_t workers;
};

/* What holds unless options say otherwise. */
void build_choice_init(struct build_choice *choice, const char *command);

/* CLI_USAGE after a complaint when the choice contradicts itself. */
int build_choice_check(const struct build_choice *choice);

/* Builds, with progress on stderr and one line at the end in `summary`. Each result goes to `on_result`, which may be
 * NULL, too. Returns an exit code. */
int build_kernels(struct build_choice *choice, FILE *summary, job_callback on_result, void *user);

#endif
