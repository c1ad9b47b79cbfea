/*
 * Workers take the next job number from a counter in shared memory and write a record to a pipe when they
 * begin a job and when they end it. A record is smaller than PIPE_BUF, so that records of several workers do
 * not mix. A worker that dies fails the job that it had begun, and another takes its place.
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

struct record {
  size_t worker;
  bool ended; /* result is filled; else only result.job */
  struct job_result result;
};

_Static_assert(sizeof(struct record) <= PIPE_BUF, "records of several workers must not mix");

static const size_t no_job = SIZE_MAX;

struct worker {
  pid_t pid; /* 0: none runs */
  size_t job;
};

/* In memory that the parent shares with the workers. */
struct shared {
  atomic_size_t next;  /* job that nobody has taken */
  atomic_size_t ended; /* of the first jobs */
};

struct pool {
  const struct workers *asked;
  size_t size;
  struct shared *shared;
  int read_end;
  int write_end;
  struct worker workers[MOST_WORKERS];
};

static volatile sig_atomic_t stopping_signal;

static void on_signal(int number) {
  stopping_signal = number;
}

/* ------------------------------------------------------------------------------------------------ worker */

static bool send_record(int pipe_end, const struct record *record) {
  return write(pipe_end, record, sizeof *record) == (ssize_t)sizeof *record;
}

/* The first jobs are few, and end soon. */
static void wait_for_turn(const struct pool *pool, size_t job) {
  while (job >= pool->asked->first && atomic_load(&pool->shared->ended) < pool->asked->first)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void work(const struct pool *pool, size_t worker) {
  const struct workers *asked = pool->asked;
  size_t number;
  bool goes_on = true;
  while (goes_on && (number = atomic_fetch_add(&pool->shared->next, 1)) < asked->count) {
    struct record record = {.worker = worker, .result.job = number};
    wait_for_turn(pool, number);
    if (!send_record(pool->write_end, &record))
      break; /* the parent is gone */
    const double begin = clock_seconds();
    record.result.facts.struct_size = sizeof record.result.facts;
    goes_on = asked->work(asked->user, &asked->jobs[number], &record.result);
    record.result.seconds = clock_seconds() - begin;
    record.ended = true;
    if (!send_record(pool->write_end, &record))
      break;
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
  pool->workers[number] = (struct worker){.pid = pid > 0 ? pid : 0, .job = no_job};
  return pid > 0;
}

static void finish_job(const struct pool *pool, const struct job_result *result) {
  pool->asked->on_result(pool->asked->user, &pool->asked->jobs[result->job], result);
}

static void count_end(const struct pool *pool, size_t job) {
  if (job < pool->asked->first)
    atomic_fetch_add(&pool->shared->ended, 1);
}

/* Reads what has been written; false when nothing was. */
static bool read_record(struct pool *pool) {
  struct record record;
  if (read(pool->read_end, &record, sizeof record) != (ssize_t)sizeof record)
    return false;
  pool->workers[record.worker].job = record.ended ? no_job : record.result.job;
  if (record.ended) {
    count_end(pool, record.result.job);
    finish_job(pool, &record.result);
  }
  return true;
}

static void fail_job(const struct pool *pool, size_t job, const char *reason) {
  struct job_result result = {.job = job, .status = FI_ERROR_COMPILE};
  snprintf(result.message, sizeof result.message, "%s", reason);
  finish_job(pool, &result);
}

/* Fails all jobs that no worker has taken. */
static void fail_rest(const struct pool *pool, size_t next, const char *reason) {
  for (size_t job = next; job < pool->asked->count; job++)
    fail_job(pool, job, reason);
}

static void fail_unfinished(const struct pool *pool, size_t job, int status) {
  char reason[64];
  snprintf(reason, sizeof reason, "the worker process was ended by signal %d",
           WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  count_end(pool, job);
  fail_job(pool, job, reason);
}

/* Takes leave of workers that have ended, and replaces them while there are jobs; one that died within a job fails
 * it. */
static void reap(struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    struct worker *worker = &pool->workers[i];
    int status;
    if (worker->pid == 0 || waitpid(worker->pid, &status, WNOHANG) != worker->pid)
      continue;
    while (read_record(pool))
      continue; /* its last words */
    size_t job = worker->job;
    *worker = (struct worker){.job = no_job};
    if (job != no_job)
      fail_unfinished(pool, job, status);
    if (atomic_load(&pool->shared->next) < pool->asked->count)
      start_worker(pool, i);
  }
}

static bool any_alive(const struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->workers[i].pid != 0)
      return true;
  }
  return false;
}

static void stop_workers(struct pool *pool) {
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->workers[i].pid != 0)
      kill(pool->workers[i].pid, SIGTERM);
  }
  for (size_t i = 0; i < pool->size; i++) {
    if (pool->workers[i].pid != 0)
      waitpid(pool->workers[i].pid, NULL, 0);
  }
}

static void supervise(struct pool *pool) {
  struct pollfd readable = {.fd = pool->read_end, .events = POLLIN};
  while (stopping_signal == 0 && any_alive(pool)) {
    if (poll(&readable, 1, 50) > 0)
      read_record(pool);
    reap(pool);
  }
  if (stopping_signal == 0)
    fail_rest(pool, atomic_load(&pool->shared->next), "no worker process could be started");
}

static bool open_pool(struct pool *pool) {
  int ends[2];
  pool->shared = mmap(NULL, sizeof *pool->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pool->shared == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
    return false;
  atomic_init(&pool->shared->next, 0);
  atomic_init(&pool->shared->ended, 0);
  pool->read_end = ends[0];
  pool->write_end = ends[1];
  return fcntl(pool->read_end, F_SETFL, O_NONBLOCK) == 0;
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
    munmap(pool.shared, sizeof *pool.shared);
  } else {
    fail_rest(&pool, 0, "no pipe to worker processes");
  }
  sigaction(SIGINT, &before[0], NULL);
  sigaction(SIGTERM, &before[1], NULL);
  return stopping_signal;
}
