/* Threads in which no context is current ask for a kernel: each gets the reason, and nothing is compiled. */
#include "tests/matrix/runs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4 };

struct asker {
  pthread_t thread;
  fi_ctx *ctx;
  const fi_spec *spec;
  fi_status status;
  char why[256];
};

static void *ask(void *data) {
  struct asker *asker = data;
  fi_kernel *kernel;
  asker->status = fi_get_kernel(asker->ctx, asker->spec, &kernel);
  snprintf(asker->why, sizeof asker->why, "%s", fi_last_error());
  return NULL;
}

static bool check(struct trial *trial, const struct asker *asker) {
  if (asker->status != FI_OK && strstr(asker->why, "no CUDA context is current in this thread"))
    return true;
  return trial_fail(trial, "without a context fi_get_kernel gives status %d, \"%s\"", (int)asker->status, asker->why);
}

bool run_threads(struct trial *trial, const fi_spec *canonical) {
  struct asker askers[THREADS];
  fi_counters before = {.struct_size = sizeof before};
  fi_counters after = {.struct_size = sizeof after};
  bool passed = true;
  fi_counters_read(trial->ctx, &before);
  for (int i = 0; i < THREADS; i++) {
    askers[i] = (struct asker){.ctx = trial->ctx, .spec = canonical};
    if (pthread_create(&askers[i].thread, NULL, ask, &askers[i]))
      return trial_fail(trial, "no thread can be started");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(askers[i].thread, NULL);
    passed = check(trial, &askers[i]) && passed;
  }
  fi_counters_read(trial->ctx, &after);
  if (after.compiles != before.compiles)
    return trial_fail(trial, "%llu kernels were compiled", (unsigned long long)(after.compiles - before.compiles));
  return passed;
}
