/*
 * Workers take jobs by writing their number into a table in shared memory, so that whose a job is is known at whatever
 * moment they die, and write a result to a pipe when a job has ended. A result is smaller than PIPE_BUF, so that those
 * of several workers do not mix. A worker that dies fails the job that it had taken, and another takes its place.
 */
#include "tools/flashjit/workers.h"

#include "tools/common/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct job_result) <= PIPE_BUF, "results of several workers must not mix");

/* Whose a job is: a worker's number, or one of these. */
enum { NOBODYS = MOST_WORKERS, ENDED };

/* In memory that the parent shares with the workers. */
struct shared {
  atomic_size_t next;  /* all jobs before it are taken */
  atomic_size_t ended; /* of the first jobs */
  atomic_ushort owners[];
};

struct pool {
  const struct workers *asked;
  size_t size;
  struct shared *shared;
  int read_end;
  int write_end;
  pid_t pids[MOST_WORKERS]; /* 0: none runs */
};

static volatile sig_atomic_t stopping_signal;

static void on_signal(int number) {
  stopping_signal = number;
}

/* ------------------------------------------------------------------------------------------------ worker */

/* The first jobs are few, and end soon. */
static void wait_for_turn(const struct pool *pool, size_t job) {
  while (job >= pool->asked->first && atomic_load(&pool->shared->ended) < pool->asked->first)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* The first job that nobody has taken; their count when there is none. */
static size_t first_left(const struct pool *pool) {
  size_t job = atomic_load(&pool->shared->next);
  while (job < pool->asked->count && atomic_load(&pool->shared->owners[job]) != NOBODYS)
    job++;
  return job;
}

/* Takes it. That another worker may set `next` back is of no matter: the jobs in between are taken. */
static size_t take_job(const struct pool *pool, size_t worker) {
  unsigned short nobody;
  size_t job;
  do {
    job = first_left(pool);
    nobody = NOBODYS;
  } while (job < pool->asked->count &&
           !atomic_compare_exchange_strong(&pool->shared->owners[job], &nobody, (unsigned short)worker));
  atomic_store(&pool->shared->next, job);
  return job;
}

static void work(const struct pool *pool, size_t worker) {
  const struct workers *asked = pool->asked;
  size_t number;
  bool goes_on = true;
  while (goes_on && (number = take_job(pool, worker)) < asked->count) {
    struct job_result result = {.job = number, .facts.struct_size = sizeof result.facts};
    wait_for_turn(pool, number);
    const double begin = clock_seconds();
    goes_on = asked->work(asked->user, &asked->jobs[number], &result);
    result.seconds = clock_seconds() - begin;
    if (write(pool->write_end, &result, sizeof result) != (ssize_t)sizeof result)
      break; /* the parent is gone */
  }
}

/* ------------------------------------------------------------------------------------------------ parent */

/* Signals wait until the worker has its own ways with them: by the parent's it would take SIGTERM and go on. */
static bool start_worker(struct pool *pool, size_t number) {
  sigset_t stopping;
  sigset_t before;
  sigemptyset(&stopping);
  sigaddset(&stopping, SIGINT);
  sigaddset(&stopping, SIGTERM);
  sigprocmask(SIG_BLOCK, &stopping, &before);
  fflush(NULL); /* nothing buffered may be printed twice */
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group; the parent ends its workers with SIGTERM */
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    close(pool->read_end);
    work(pool, number);
    _exit(0);
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  pool->pids[number] = pid > 0 ? pid : 0;
  return pid > 0;
}

static void finish_job(const struct pool *pool, const struct job_result *result) {
  atomic_store(&pool->shared->owners[result->job], ENDED);
  if (result->job < pool->asked->first)
    atomic_fetch_add(&pool->shared->ended, 1);
  pool->asked->on_result(pool->asked->user, &pool->asked->jobs[result->job], result);
}

/* Reads what has been written; false when nothing was. */
static bool read_result(const struct pool *pool) {
  struct job_result result;
  if (read(pool->read_end, &result, sizeof result) != (ssize_t)sizeof result)
    return false;
  finish_job(pool, &result);
  return true;
}

static struct job_result failure(size_t job, const char *reason) {
  struct job_result result = {.job = job, .status = FI_ERROR_COMPILE};
  snprintf(result.message, sizeof result.message, "%s", reason);
  return result;
}

static void fail_job(const struct pool *pool, size_t job, const char *reason) {
  const struct job_result result = failure(job, reason);
  finish_job(pool, &result);
}

/* What a worker had taken when it died: one job at most. */
static void fail_unfinished(const struct pool *pool, size_t worker, int status) {
  char reason[64];
  snprintf(reason, sizeof reason, "the worker process was ended by signal %d",
           WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  for (size_t job = 0; job < pool->asked->count; job++) {
    if (atomic_load(&pool->shared->owners[job]) == worker)
      fail_job(pool, job, reason);
  }
}

/* Takes leave of workers that have ended, and replaces them while there are jobs; one that died with a job fails it. */
static void reap(struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    int status;
    if (pool->pids[i] == 0 || waitpid(pool->pids[i], &status, WNOHANG) != pool->pids[i])
      continue;
    while (read_result(pool))
      continue; /* its last words */
    pool->pids[i] = 0;
    fail_unfinished(pool, i, status);
    if (first_left(pool) < pool->asked->count)
      start_worker(pool, i);
  }
}

static bool any_alive(const struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->pids[i] != 0)
      return true;
  }
  return false;
}

static void stop_workers(struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->pids[i] != 0)
      kill(pool->pids[i], SIGTERM);
  }
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->pids[i] != 0)
      waitpid(pool->pids[i], NULL, 0);
  }
}

static void supervise(struct pool *pool) {
  struct pollfd readable = {.fd = pool->read_end, .events = POLLIN};
  while (stopping_signal == 0 && any_alive(pool)) {
    if (poll(&readable, 1, 50) > 0)
      read_result(pool);
    reap(pool);
  }
  for (size_t job = first_left(pool); stopping_signal == 0 && job < pool->asked->count; job++)
    fail_job(pool, job, "no worker process could be started");
}

static size_t shared_size(const struct pool *pool) {
  return sizeof *pool->shared + pool->asked->count * sizeof *pool->shared->owners;
}

static bool open_pool(struct pool *pool) {
  int ends[2];
  pool->shared = mmap(NULL, shared_size(pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pool->shared == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
    return false;
  atomic_init(&pool->shared->next, 0);
  atomic_init(&pool->shared->ended, 0);
  for (size_t job = 0; job < pool->asked->count; job++)
    atomic_init(&pool->shared->owners[job], NOBODYS);
  pool->read_end = ends[0];
  pool->write_end = ends[1];
  return fcntl(pool->read_end, F_SETFL, O_NONBLOCK) == 0;
}

/* Where there is no pool. */
static void fail_all(const struct workers *workers, const char *reason) {
  for (size_t job = 0; job < workers->count; job++) {
    const struct job_result result = failure(job, reason);
    workers->on_result(workers->user, &workers->jobs[job], &result);
  }
}

int workers_run(const struct workers *workers) {
  struct pool pool = {.asked = workers};
  struct sigaction action = {.sa_handler = on_signal};
  struct sigaction before[2];
  pool.size = workers->processes < MOST_WORKERS ? workers->processes : MOST_WORKERS;
  stopping_signal = 0;
  sigaction(SIGINT, &action, &before[0]);
  sigaction(SIGTERM, &action, &before[1]);
  if (open_pool(&pool)) {
    for (size_t i = 0; i < pool.size; i++)
      start_worker(&pool, i);
    supervise(&pool);
    stop_workers(&pool);
    close(pool.read_end);
    close(pool.write_end);
    munmap(pool.shared, shared_size(&pool));
  } else {
    fail_all(workers, "no pipe to worker processes");
  }
  sigaction(SIGINT, &before[0], NULL);
  sigaction(SIGTERM, &before[1], NULL);
  return stopping_signal;
}
