/* Many threads, few kernels: each must be compiled and loaded once. A plain program, so that it runs under
 * ThreadSanitizer. */
#include "fakes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 16, SPELLINGS = 8, CALLS = 2000 };

static const char *const specs[] = {"attention group=4 page=16", "attention group=8", "append page=16", "merge",
                                    "plan"};

enum { SPECS = sizeof specs / sizeof *specs };

struct worker {
  pthread_t thread;
  fi_ctx *ctx;
  fi_kernel *kernels[SPECS];
  unsigned number;
  unsigned failures;
};

static void *work(void *data) {
  struct worker *worker = data;
  for (unsigned i = 0; i < CALLS; i++) {
    const unsigned which = (i + worker->number) % SPECS;
    fi_spec spec = spec_of(specs[which]);
    fi_kernel *kernel = NULL;
    spec.rope_dim = 16 + i % SPELLINGS; /* not read without rope: another spelling */
    worker->failures += fi_get_kernel(worker->ctx, &spec, &kernel) != FI_OK;
    worker->failures += worker->kernels[which] && worker->kernels[which] != kernel;
    worker->kernels[which] = kernel;
  }
  return NULL;
}

/* Several calls of fi_get_kernels at once, each with threads of its own. */
static void *work_at_once(void *data) {
  struct worker *worker = data;
  fi_spec all[SPECS];
  for (unsigned i = 0; i < SPECS; i++)
    all[i] = spec_of(specs[i]);
  worker->failures += fi_get_kernels(worker->ctx, all, SPECS, 3, worker->kernels, NULL) != FI_OK;
  return NULL;
}

static unsigned run(fi_ctx *ctx, void *(*body)(void *data)) {
  static struct worker workers[THREADS];
  unsigned failures = 0;
  memset(workers, 0, sizeof workers);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i].ctx = ctx;
    workers[i].number = i;
    if (pthread_create(&workers[i].thread, NULL, body, &workers[i]))
      exit(EXIT_FAILURE);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    failures += workers[i].failures;
    for (unsigned j = 0; j < SPECS; j++)
      failures += workers[i].kernels[j] != workers[0].kernels[j];
  }
  return failures;
}

static unsigned expect_once(const char *what, void *(*body)(void *data)) {
  fakes_reset();
  fakes.compile_ms = 20;
  fi_ctx *ctx = make_context(NULL);
  const unsigned failures = run(ctx, body);
  fi_ctx_destroy(ctx);
  printf("%s: %u compiles and %u loads for %d kernels, %u failures\n", what, (unsigned)fakes.compiles,
         (unsigned)fakes.loads, SPECS, failures);
  return failures || fakes.compiles != SPECS || fakes.loads != SPECS || fakes.unloads != SPECS;
}

int main(void) {
  return expect_once("one by one", work) || expect_once("at once", work_at_once);
}
