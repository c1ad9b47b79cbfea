/* One process that does jobs: its device, and a context of the library for the target at hand. */
#ifndef TESTS_MATRIX_WORKER_H
#define TESTS_MATRIX_WORKER_H

#include "tests/matrix/workers.h"

struct worker {
  const struct workers *workers;
  struct trial trial;
  const struct target *target; /* of the context */
  uint32_t arch;               /* of the device; 0: it is not open */
};

void worker_open(struct worker *worker, const struct workers *workers);
void worker_close(struct worker *worker);

/* False when a fault has made the device useless for this process. */
bool worker_is_fit(const struct worker *worker);

/* Whether this process can do the job: a simulator that is open cannot become another GPU. */
bool worker_can_do(const struct worker *worker, const struct job *job);

void worker_do(struct worker *worker, const struct job *job, struct job_result *result);

#endif
