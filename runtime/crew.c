/* Threads begin without a CUDA context and end so. */
#include "runtime/crew.h"

#include "runtime/context.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
  MOST_THREADS = 256,
  STACK_BYTES = 8 << 20 /* a compiler needs as much as a main thread has; some C libraries give threads far less */
};

/* What the threads of one call share. */
struct crew {
  void (*work)(void *data, uint32_t number);
  void *data;
  uint32_t count;
  struct driver *driver; /* NULL: there is none, as each piece of work will be told */
  void *cuda_context;    /* the caller's */
  atomic_uint_least32_t next;
};

static _Thread_local bool is_of_a_crew;

static void work(struct crew *crew) {
  uint32_t number;
  while ((number = atomic_fetch_add(&crew->next, 1)) < crew->count)
    crew->work(crew->data, number);
}

static void *run_thread(void *data) {
  struct crew *crew = data;
  is_of_a_crew = true;
  if (crew->driver)
    crew->driver->set_context(crew->driver, crew->cuda_context);
  work(crew);
  if (crew->driver)
    crew->driver->set_context(crew->driver, NULL);
  return NULL;
}

/* Those that this process may use; a set of the usual size does not hold those of the largest machines. */
static uint32_t core_count(void) {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0)
    return (uint32_t)CPU_COUNT(&cores);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (uint32_t)online : 1;
}

static uint32_t thread_count(uint32_t asked, uint32_t count) {
  uint32_t threads = asked ? asked : core_count();
  if (threads > MOST_THREADS)
    threads = MOST_THREADS;
  return threads < count ? threads : count;
}

/* Signals stay with the threads of the application. */
static uint32_t start_threads(struct crew *crew, pthread_t *threads, uint32_t count) {
  pthread_attr_t attributes;
  sigset_t all;
  sigset_t before;
  uint32_t started = 0;
  if (pthread_attr_init(&attributes))
    return 0;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < count && pthread_create(&threads[started], &attributes, run_thread, crew) == 0)
    started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return started;
}

static void run_crew(struct crew *crew, uint32_t threads) {
  pthread_t started[MOST_THREADS];
  const uint32_t count = start_threads(crew, started, threads);
  if (count == 0)
    work(crew);
  for (uint32_t i = 0; i < count; i++)
    pthread_join(started[i], NULL);
}

/* With memory_only nothing is loaded, and no driver opened. */
static void find_cuda_context(fi_ctx *ctx, struct crew *crew) {
  if (atomic_load(&ctx->mode) == FI_MODE_MEMORY_ONLY || context_driver(ctx, &crew->driver))
    crew->driver = NULL;
  if (crew->driver)
    crew->cuda_context = crew->driver->get_context(crew->driver);
}

void crew_run(fi_ctx *ctx, uint32_t threads, uint32_t count, void (*work_on)(void *data, uint32_t number), void *data) {
  struct crew crew = {.work = work_on, .data = data, .count = count};
  if (is_of_a_crew) {
    work(&crew);
    return;
  }
  find_cuda_context(ctx, &crew);
  run_crew(&crew, thread_count(threads, count));
}
