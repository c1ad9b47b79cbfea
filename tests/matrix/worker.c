/* How a process does a job. */
#include "tests/matrix/worker.h"

#include "cache/hash.h"
#include "tests/matrix/inside.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const uint64_t CACHE_BYTES = (uint64_t)8 << 30;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void worker_open(struct worker *worker, const struct workers *workers) {
  *worker = (struct worker){.workers = workers};
}

void worker_close(struct worker *worker) {
  fi_ctx_destroy(worker->trial.ctx);
  if (worker->is_open)
    device_close(&worker->trial.device);
}

bool worker_is_fit(const struct worker *worker) {
  return !device_failed(&worker->trial.device);
}

/* The context for a job, made anew when the target changes: jobs of one target follow each other. */
static bool use_context(struct worker *worker, const char *target) {
  struct trial *trial = &worker->trial;
  const fi_options options = {
      .struct_size = sizeof options,
      .target = target,
      .cache_dir = worker->workers->cache_dir,
      .cache_bytes = CACHE_BYTES,
  };
  if (trial->ctx && worker->target_name == target)
    return true;
  fi_ctx_destroy(trial->ctx);
  trial->ctx = NULL;
  worker->target_name = target;
  return trial_ok(trial, "fi_ctx_create", fi_ctx_create(&options, &trial->ctx)) &&
         trial_ok(trial, "the target", inside_target(trial->ctx, &worker->target));
}

static bool use_device(struct worker *worker) {
  if (!worker->is_open)
    worker->is_open = device_open(&worker->trial.device, NULL);
  return worker->is_open || trial_fail(&worker->trial, "%s", worker->trial.device.error);
}

/* The same for a spec whichever jobs there are beside it. */
static random_state seed_of(const struct worker *worker, const struct job *job) {
  return XXH3_64bits_withSeed(&job->spec, sizeof job->spec, worker->workers->seed);
}

static bool compile(struct worker *worker, const struct job *job, const char *target, struct job_result *result) {
  fi_facts facts = {.struct_size = sizeof facts};
  if (!use_context(worker, target))
    return false;
  const fi_status status = fi_precompile(worker->trial.ctx, &job->spec, &facts);
  const bool only_not_kept = status == FI_ERROR_NOT_CACHED && *facts.target;
  if (!only_not_kept && !trial_ok(&worker->trial, "fi_precompile", status))
    return false;
  result->registers = facts.registers;
  result->layer = facts.layer;
  result->compile_ms = facts.compile_ms;
  return true;
}

void worker_do(struct worker *worker, const struct job *job, struct job_result *result) {
  const struct job_class *class = &worker->workers->list->classes[job->class_number];
  struct trial *trial = &worker->trial;
  const double begin = now();
  bool passed;
  result->state = JOB_RUNNING;
  trial->why[0] = '\0';
  trial->random = seed_of(worker, job);
  if (class->run)
    passed = use_device(worker) && use_context(worker, NULL) && class->run(trial, &job->spec, worker->target);
  else
    passed = compile(worker, job, class->target, result);
  result->seconds = now() - begin;
  memcpy(result->why, trial->why, sizeof result->why);
  result->state = passed ? JOB_PASSED : JOB_FAILED;
}
