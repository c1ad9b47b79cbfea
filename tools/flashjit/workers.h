/* Compiles a list of jobs in worker processes, so that a compiler that crashes or leaks costs one kernel and
 * no more. */
#ifndef TOOLS_FLASHJIT_WORKERS_H
#define TOOLS_FLASHJIT_WORKERS_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>

struct job {
  fi_spec spec;
  const char *target; /* NULL: the library's choice */
};

/* How one job ended. */
struct job_result {
  size_t job;
  fi_status status;
  fi_facts facts;    /* when status is FI_OK */
  char message[512]; /* else */
};

/* Called in the parent after each job, in the order in which they end. */
typedef void (*job_callback)(void *user, const struct job_result *result);

enum { MOST_WORKERS = 256 };

/*
 * Runs all jobs in up to MOST_WORKERS processes. Returns 0, or the number of the signal that stopped it
 * (SIGINT, SIGTERM); then the workers have ended too.
 */
int workers_run(const struct job *jobs, size_t count, size_t workers, job_callback on_result, void *user);

#endif
