/* Runs jobs in processes that take them from one counter. */
#ifndef TESTS_MATRIX_WORKERS_H
#define TESTS_MATRIX_WORKERS_H

#include "tests/matrix/jobs.h"

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_PASSED, JOB_FAILED };

/* Written by the process that does the job. */
struct job_result {
  enum job_state state;
  double seconds;
  uint32_t registers; /* of a kernel that was compiled only */
  uint32_t layer;     /* FI_LAYER_*: where it came from */
  double compile_ms;
  char why[TRIAL_WHY_SIZE];
};

struct workers {
  const struct job_list *list;
  bool simulated;           /* the device is the simulator, which can be the GPU of any target */
  const struct target *own; /* of the device as it is; NULL to compile */
  uint32_t count;           /* processes */
  uint64_t seed;            /* of all random numbers; each job draws its own from it */
  const char *cache_dir;    /* "" for none */
  struct job_result *results;
};

/* What kernels run on. */
struct machine {
  char device[128];
  char target[16];
  bool simulated;
  char why[256]; /* not "" when there is none */
};

/* Opens the driver in a process of its own, so that this one can still fork. */
bool workers_probe(struct machine *machine);

/*
 * Does all jobs; results are in memory that workers_free gives back. Returns 0, -1 when there is no memory or
 * no process can be started, or the number of the signal that stopped it.
 */
int workers_run(struct workers *workers);
void workers_free(struct workers *workers);

#endif
