/* Worker processes that are killed, as by want of memory: each job is told once, and nobody waits for ever. */
#include "tools/flashjit/workers.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_JOBS = 400 };

static struct job jobs[MOST_JOBS];

struct told {
  unsigned times[MOST_JOBS];
  unsigned failed;
  char message[1536]; /* of the last that failed */
};

static void sleep_ms(long milliseconds) {
  nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

/* Kills a process of these, which are the children of `parent`, and not the caller; false when there is none. */
static bool kill_sibling(pid_t parent, int number) {
  char path[64];
  int pids[MOST_WORKERS];
  int count = 0;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
  FILE *file = fopen(path, "r");
  cr_assert(file, "%s", path);
  while (count < MOST_WORKERS && fscanf(file, "%d", &pids[count]) == 1)
    count += pids[count] != getpid();
  fclose(file);
  return count > 0 && kill(pids[number % count], SIGKILL) == 0;
}

static void note_result(void *user, const struct job *job, const struct job_result *result) {
  struct told *told = user;
  cr_expect_eq(job, &jobs[result->job]);
  told->times[result->job]++;
  if (!result->status)
    return;
  told->failed++;
  snprintf(told->message, sizeof told->message, "%s", result->message);
}

static struct told run(size_t count, size_t first, size_t processes, worker_job *work) {
  struct told told = {.failed = 0};
  const struct workers workers = {.jobs = jobs,
                                  .count = count,
                                  .first = first,
                                  .processes = processes,
                                  .work = work,
                                  .on_result = note_result,
                                  .user = &told};
  cr_expect_eq(workers_run(&workers), 0);
  for (size_t i = 0; i < count; i++)
    cr_expect_eq(told.times[i], 1, "job %zu is told %u times", i, told.times[i]);
  return told;
}

/* The first job ends the worker that waits for it with the second one. */
static bool kill_who_waits(void *user, const struct job *job, struct job_result *result) {
  (void)user;
  (void)result;
  sleep_ms(300);
  if (job == &jobs[0])
    cr_expect(kill_sibling(getppid(), 0));
  return true;
}

Test(workers, one_that_is_killed_before_its_turn, .timeout = 60) {
  const struct told told = run(4, 1, 2, kill_who_waits);
  cr_expect_eq(told.failed, 1);
  cr_expect_str_eq(told.message, "the worker process was ended by signal 9");
}

static bool kill_oneself(void *user, const struct job *job, struct job_result *result) {
  (void)user;
  (void)result;
  if ((job - jobs) % 3 == 1)
    raise(SIGKILL);
  return true;
}

Test(workers, one_that_is_killed_within_a_job, .timeout = 60) {
  const struct told told = run(60, 5, 3, kill_oneself);
  cr_expect_eq(told.failed, 20);
}

static bool rest(void *user, const struct job *job, struct job_result *result) {
  (void)user;
  (void)job;
  (void)result;
  sleep_ms(1);
  return true;
}

/* At any moment. */
Test(workers, many_that_are_killed, .timeout = 120) {
  const pid_t parent = getpid();
  const pid_t killer = fork();
  if (killer == 0) {
    for (int number = 0;; number++) {
      kill_sibling(parent, number);
      sleep_ms(number % 3);
    }
  }
  run(MOST_JOBS, MOST_JOBS / 2, 4, rest);
  kill(killer, SIGKILL);
  cr_expect_eq(waitpid(killer, NULL, 0), killer);
}
