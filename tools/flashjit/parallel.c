/* Threads take jobs from a counter. */
#include "tools/flashjit/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST_THREADS = 64 };

struct crew {
  parallel_work *work;
  void *user;
  size_t jobs;
  atomic_size_t next;
};

static void *take_jobs(void *argument) {
  struct crew *crew = argument;
  size_t job;
  while ((job = atomic_fetch_add(&crew->next, 1)) < crew->jobs)
    crew->work(crew->user, job);
  return NULL;
}

/* This thread works too, so that a thread that cannot be started is no loss. */
void parallel_run(size_t jobs, parallel_work *work, void *user) {
  struct crew crew = {.work = work, .user = user, .jobs = jobs};
  pthread_t threads[MOST_THREADS];
  size_t started = 0;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  size_t wanted = cores < 2 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (size_t)cores - 1;
  while (started < wanted && pthread_create(&threads[started], NULL, take_jobs, &crew) == 0)
    started++;
  take_jobs(&crew);
  for (size_t i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
}
