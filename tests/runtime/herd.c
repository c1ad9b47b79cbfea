/* 64 processes of 16 threads each ask for one kernel that no cache has, all at once: it is compiled once. */
#include "fakes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 64, THREADS = 16, COMPILE_MS = 200 };

/* Shared by the processes. */
struct shared {
  pthread_barrier_t start;
  atomic_uint compiles;
  atomic_uint failures;
};

struct worker {
  pthread_t thread;
  struct shared *shared;
  fi_ctx *ctx;
};

static void *work(void *data) {
  struct worker *worker = data;
  const fi_spec spec = spec_of("merge");
  fi_kernel *kernel;
  pthread_barrier_wait(&worker->shared->start);
  if (fi_get_kernel(worker->ctx, &spec, &kernel))
    atomic_fetch_add(&worker->shared->failures, 1);
  return NULL;
}

static void run_process(struct shared *shared, const char *directory) {
  struct worker workers[THREADS];
  fakes.compile_ms = COMPILE_MS;
  fi_ctx *ctx = make_context(directory);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.shared = shared, .ctx = ctx};
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
      abort();
  }
  for (unsigned i = 0; i < THREADS; i++)
    pthread_join(workers[i].thread, NULL);
  atomic_fetch_add(&shared->compiles, atomic_load(&fakes.compiles));
  fi_ctx_destroy(ctx);
}

static struct shared *share(void) {
  pthread_barrierattr_t attributes;
  struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    abort();
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->start, &attributes, PROCESSES * THREADS);
  return shared;
}

int main(void) {
  struct shared *shared = share();
  unsigned failed = 0;
  fakes_reset();
  char *directory = make_directory();
  for (unsigned i = 0; i < PROCESSES; i++) {
    const pid_t child = fork();
    if (child < 0)
      abort();
    if (child == 0) {
      run_process(shared, directory);
      _exit(0);
    }
  }
  for (unsigned i = 0; i < PROCESSES; i++) {
    int status;
    wait(&status);
    failed += status != 0;
  }
  remove_directory(directory);
  printf("%d processes of %d threads: %u compiles, %u calls failed, %u processes failed\n", PROCESSES, THREADS,
         atomic_load(&shared->compiles), atomic_load(&shared->failures), failed);
  return atomic_load(&shared->compiles) != 1 || atomic_load(&shared->failures) || failed;
}
