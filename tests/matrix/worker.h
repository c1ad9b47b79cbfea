/* One process that does jobs: its device, and a context of the library for the target at hand. */
#ifndef TESTS_MATRIX_WORKER_H
#define TESTS_MATRIX_WORKER_H

#include "tests/matrix/workers.h"

struct worker {
  const struct workers *workers;
  struct trial trial;
  const char *target_name; /* of the context; NULL: that of the device */
  const struct target *target;
  bool is_open; /* the device is */
};

void worker_open(struct worker *worker, const struct workers *workers);
void worker_close(struct worker *worker);

/* False when a fault has made the device useless for this process. */
bool worker_is_fit(const struct worker *worker);

void worker_do(struct worker *worker, const struct job *job, struct job_result *result);

#endif
