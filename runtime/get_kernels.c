/* Kernels for many specs at once, on threads that live for the time of the call. */
#include "generator/error.h"
#include "generator/spec.h"
#include "runtime/context.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum {
  MOST_THREADS = 256,
  STACK_BYTES = 8 << 20 /* a compiler needs as much as a main thread has; some C libraries give threads far less */
};

/* What the threads of one call share. */
struct crew {
  fi_ctx *ctx;
  const fi_spec *specs;
  uint32_t count;
  fi_kernel **kernels;
  fi_status *statuses;   /* may be NULL */
  struct driver *driver; /* NULL: there is none, as each spec will be told */
  void *cuda_context;    /* the caller's */
  atomic_uint_least32_t next;

  pthread_mutex_t lock; /* of the rest, and of the callback, so that progress is told in order */
  uint32_t done;
  uint32_t first_failure; /* count: none */
  fi_status status;       /* its */
  char why[ERROR_SIZE];   /* likewise */
};

static void tell_progress(const struct crew *crew, uint32_t number, fi_status status) {
  char text[FI_SPEC_TEXT_SIZE] = "";
  char why[ERROR_SIZE] = "";
  fi_spec canonical;
  if (status)
    snprintf(why, sizeof why, "%s", fi_last_error());
  if (!spec_canonical(&crew->specs[number], &canonical))
    spec_print(&canonical, text, sizeof text);
  context_event(crew->ctx, (fi_event){.kind = FI_EVENT_PROGRESS,
                                      .status = status,
                                      .spec = text,
                                      .message = why,
                                      .done = crew->done,
                                      .count = crew->count});
}

static void settle(struct crew *crew, uint32_t number, fi_status status) {
  if (crew->statuses)
    crew->statuses[number] = status;
  pthread_mutex_lock(&crew->lock);
  crew->done++;
  if (status && number < crew->first_failure) {
    crew->first_failure = number;
    crew->status = status;
    snprintf(crew->why, sizeof crew->why, "%s", fi_last_error());
  }
  tell_progress(crew, number, status);
  pthread_mutex_unlock(&crew->lock);
}

static void work(struct crew *crew) {
  uint32_t number;
  while ((number = atomic_fetch_add(&crew->next, 1)) < crew->count)
    settle(crew, number, fi_get_kernel(crew->ctx, &crew->specs[number], &crew->kernels[number]));
}

/* A thread begins without a CUDA context and ends so. */
static void *run_thread(void *data) {
  struct crew *crew = data;
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

static uint32_t thread_count(uint32_t asked, uint32_t specs) {
  uint32_t threads = asked ? asked : core_count();
  if (threads > MOST_THREADS)
    threads = MOST_THREADS;
  return threads < specs ? threads : specs;
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

static fi_status check(const fi_ctx *ctx, const fi_spec *specs, uint32_t count, fi_kernel **kernels) {
  const fi_status status = context_check(ctx);
  if (status)
    return status;
  if (count && !specs)
    return error_set(FI_ERROR_ARGUMENT, "specs is NULL");
  if (count && !kernels)
    return error_set(FI_ERROR_ARGUMENT, "kernels is NULL");
  return FI_OK;
}

/* With memory_only nothing is loaded, and no driver opened. */
static void find_cuda_context(struct crew *crew) {
  if (atomic_load(&crew->ctx->mode) == FI_MODE_MEMORY_ONLY || context_driver(crew->ctx, &crew->driver))
    crew->driver = NULL;
  if (crew->driver)
    crew->cuda_context = crew->driver->get_context(crew->driver);
}

fi_status fi_get_kernels(fi_ctx *ctx, const fi_spec *specs, uint32_t count, uint32_t threads, fi_kernel **kernels,
                         fi_status *statuses) {
  const fi_status status = check(ctx, specs, count, kernels);
  if (status || count == 0)
    return status;
  struct crew crew = {
      .ctx = ctx, .specs = specs, .count = count, .kernels = kernels, .statuses = statuses, .first_failure = count};
  for (uint32_t i = 0; i < count; i++)
    kernels[i] = NULL;
  find_cuda_context(&crew);
  pthread_mutex_init(&crew.lock, NULL);
  run_crew(&crew, thread_count(threads, count));
  pthread_mutex_destroy(&crew.lock);
  if (crew.first_failure == count)
    return FI_OK;
  return error_set(crew.status, "spec %u: %s", crew.first_failure, crew.why);
}
