/*
 * Results lie in shared memory. A process that dies fails the job that it was at, and another takes its
 * place, as one does when a process has done its share: what compiler and driver keep of a kernel is given
 * back that way.
 */
#include "tests/matrix/workers.h"

#include "tests/matrix/inside.h"
#include "tests/matrix/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORKERS = 256, JOBS_OF_A_PROCESS = 48, SECONDS_OF_A_JOB = 240, POLL_NS = 20 * 1000 * 1000 };

struct shared {
  atomic_size_t next;
  size_t at[MOST_WORKERS];   /* the job of each process; the number of jobs when it has none */
  size_t left[MOST_WORKERS]; /* the job that a process has left for the one that takes its place; likewise */
};

struct pool {
  struct workers *workers;
  struct shared *shared;
  size_t jobs;
  uint32_t size;
  uint32_t alive;
  pid_t pids[MOST_WORKERS]; /* 0: none */
};

static volatile sig_atomic_t stopping_signal;

static void on_signal(int number) {
  stopping_signal = number;
}

static void *map_shared(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* ------------------------------------------------------------------------------------------------ child */

/* The job that was left for this process, or the next of all. */
static size_t take_job(struct pool *pool, uint32_t number) {
  const size_t left = pool->shared->left[number];
  pool->shared->left[number] = pool->jobs;
  return left < pool->jobs ? left : atomic_fetch_add(&pool->shared->next, 1);
}

static void work(struct pool *pool, uint32_t number) {
  struct worker worker;
  worker_open(&worker, pool->workers);
  for (int done = 0; done < JOBS_OF_A_PROCESS && worker_is_fit(&worker); done++) {
    const size_t job = take_job(pool, number);
    if (job >= pool->jobs)
      break;
    if (!worker_can_do(&worker, &pool->workers->list->jobs[job])) {
      pool->shared->left[number] = job;
      break;
    }
    pool->shared->at[number] = job;
    alarm(SECONDS_OF_A_JOB);
    worker_do(&worker, &pool->workers->list->jobs[job], &pool->workers->results[job]);
    alarm(0);
    pool->shared->at[number] = pool->jobs;
  }
  worker_close(&worker);
}

static void start(struct pool *pool, uint32_t number) {
  const pid_t parent = getpid();
  pool->shared->at[number] = pool->jobs;
  fflush(NULL);
  const pid_t pid = fork();
  if (pid == 0) {
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to all; the parent ends its children */
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
      work(pool, number);
    _exit(0);
  }
  pool->pids[number] = pid > 0 ? pid : 0;
  pool->alive += pid > 0;
}

/* ------------------------------------------------------------------------------------------------ parent */

static void bury(struct pool *pool, uint32_t number, int status) {
  const size_t job = pool->shared->at[number];
  pool->pids[number] = 0;
  pool->alive--;
  if (job == pool->jobs)
    return;
  struct job_result *result = &pool->workers->results[job];
  result->state = JOB_FAILED;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    snprintf(result->why, sizeof result->why, "it did not end within %d seconds", SECONDS_OF_A_JOB);
  else if (WIFSIGNALED(status))
    snprintf(result->why, sizeof result->why, "the process was ended by signal %d (%s)", WTERMSIG(status),
             strsignal(WTERMSIG(status)));
  else
    snprintf(result->why, sizeof result->why, "the process ended with status %d", WEXITSTATUS(status));
}

/* Replaces the processes that have ended while there are jobs. */
static void reap(struct pool *pool) {
  for (uint32_t i = 0; i < pool->size; i++) {
    int status;
    if (pool->pids[i] == 0 || waitpid(pool->pids[i], &status, WNOHANG) != pool->pids[i])
      continue;
    bury(pool, i, status);
    if ((pool->shared->left[i] < pool->jobs || atomic_load(&pool->shared->next) < pool->jobs) && !stopping_signal)
      start(pool, i);
  }
}

static void stop(struct pool *pool) {
  for (uint32_t i = 0; i < pool->size; i++) {
    if (pool->pids[i])
      kill(pool->pids[i], SIGKILL);
  }
  for (uint32_t i = 0; i < pool->size; i++) {
    if (pool->pids[i])
      waitpid(pool->pids[i], NULL, 0);
  }
}

static void show_progress(const struct pool *pool) {
  const size_t next = atomic_load(&pool->shared->next);
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%zu of %zu ", next < pool->jobs ? next : pool->jobs, pool->jobs);
}

static void supervise(struct pool *pool) {
  const struct timespec pause = {.tv_nsec = POLL_NS};
  for (uint32_t i = 0; i < pool->size; i++) {
    pool->shared->left[i] = pool->jobs;
    start(pool, i);
  }
  while (pool->alive > 0 && !stopping_signal) {
    nanosleep(&pause, NULL);
    reap(pool);
    show_progress(pool);
  }
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%24s\r", "");
  stop(pool);
}

int workers_run(struct workers *workers) {
  struct pool pool = {.workers = workers, .jobs = workers->list->count};
  const struct sigaction action = {.sa_handler = on_signal};
  pool.size = workers->count < MOST_WORKERS ? workers->count : MOST_WORKERS;
  pool.shared = map_shared(sizeof *pool.shared);
  workers->results = map_shared((pool.jobs + 1) * sizeof *workers->results);
  if (!pool.shared || !workers->results)
    return -1;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  supervise(&pool);
  const bool all = atomic_load(&pool.shared->next) >= pool.jobs;
  munmap(pool.shared, sizeof *pool.shared);
  return stopping_signal ? stopping_signal : all ? 0 : -1;
}

void workers_free(struct workers *workers) {
  if (workers->results)
    munmap(workers->results, (workers->list->count + 1) * sizeof *workers->results);
  workers->results = NULL;
}

/* ------------------------------------------------------------------------------------------------ probe */

static void probe(struct machine *machine) {
  struct device device;
  const struct target *target;
  fi_ctx *ctx = NULL;
  if (!device_open(&device, NULL)) {
    snprintf(machine->why, sizeof machine->why, "%s", device.error);
    return;
  }
  snprintf(machine->device, sizeof machine->device, "%s", device.name);
  machine->simulated = device.simulated;
  if (fi_ctx_create(NULL, &ctx) || inside_target(ctx, &target))
    snprintf(machine->why, sizeof machine->why, "%s", fi_last_error());
  else
    snprintf(machine->target, sizeof machine->target, "%s", target->name);
}

bool workers_probe(struct machine *machine) {
  struct machine *shared = map_shared(sizeof *shared);
  int status = -1;
  *machine = (struct machine){.why = "no process can be started"};
  if (!shared)
    return false;
  fflush(NULL);
  const pid_t pid = fork();
  if (pid == 0) {
    probe(shared);
    _exit(0);
  }
  if (pid > 0 && waitpid(pid, &status, 0) == pid)
    *machine = *shared;
  if (pid > 0 && status != 0)
    snprintf(machine->why, sizeof machine->why, "opening the driver ended the process");
  munmap(shared, sizeof *shared);
  return !machine->why[0];
}
