/* Does a list of jobs in worker processes, so that a compiler that crashes or leaks, or a kernel that makes a device
 * useless, costs one kernel and no more. */
#ifndef TOOLS_FLASHJIT_WORKERS_H
#define TOOLS_FLASHJIT_WORKERS_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>

struct job {
  fi_spec spec;
  const char *target; /* NULL: the library's choice */
  bool is_for_others; /* a plan kernel, which nobody has asked for by its spec */
};

/* What a kernel's outputs were like beside the reference. */
struct job_finding {
  bool wrong;     /* the message says where */
  uint64_t rows;  /* that were compared */
  double error;   /* the largest */
  double allowed; /* of it */
};

/* How one job ended. */
struct job_result {
  size_t job; /* its number */
  fi_status status;
  fi_facts facts;             /* when status is FI_OK */
  struct job_finding finding; /* of kernels that were run */
  double seconds;
  char message[1536]; /* why it is not as it should be; "" else */
};

/*
 * Does a job in a worker process, whose static variables are its own; `user` is that of workers_run, as it was when the
 * worker began. False when the process is good for no further job: another one takes its place.
 */
typedef bool worker_job(void *user, const struct job *job, struct job_result *result);

/* Called in the parent after each job, in the order in which they end. */
typedef void (*job_callback)(void *user, const struct job *job, const struct job_result *result);

enum { MOST_WORKERS = 256 };

struct workers {
  const struct job *jobs;
  size_t count;
  size_t first;     /* so many jobs have ended before any other begins */
  size_t processes; /* at most MOST_WORKERS */
  worker_job *work;
  job_callback on_result;
  void *user;
};

/* Does all jobs. Returns 0, or the number of the signal that stopped it (SIGINT, SIGTERM); then the workers have ended
 * too. */
int workers_run(const struct workers *workers);

#endif
