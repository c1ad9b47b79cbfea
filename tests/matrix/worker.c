/* How a process does a job. */
#include "tests/matrix/worker.h"

#include "cache/hash.h"
#include "generator/tile_choice.h"
#include "tools/common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t CACHE_BYTES = (uint64_t)8 << 30;

void worker_open(struct worker *worker, const struct workers *workers) {
  *worker = (struct worker){.workers = workers};
}

void worker_close(struct worker *worker) {
  fi_ctx_destroy(worker->trial.ctx);
  if (worker->arch)
    device_close(&worker->trial.device);
}

bool worker_is_fit(const struct worker *worker) {
  return !device_failed(&worker->trial.device);
}

/* The context for a job, made anew when the target changes: jobs of one target follow each other. */
static bool use_context(struct worker *worker, const struct target *target) {
  struct trial *trial = &worker->trial;
  const fi_options options = {
      .struct_size = sizeof options,
      .target = target->name,
      .cache_dir = worker->workers->cache_dir,
      .cache_bytes = CACHE_BYTES,
  };
  if (trial->ctx && worker->target == target)
    return true;
  fi_ctx_destroy(trial->ctx);
  trial->ctx = NULL;
  worker->target = target;
  trial->target = target->name;
  return trial_ok(trial, "fi_ctx_create", fi_ctx_create(&options, &trial->ctx));
}

/* The GPU that a target is run on: that at hand, or the one that the simulator becomes for another target. */
static uint32_t arch_for(const struct worker *worker, const struct target *target) {
  return worker->workers->simulated ? target->arch : worker->workers->own->arch;
}

static bool use_device(struct worker *worker, const struct target *target) {
  const uint32_t arch = arch_for(worker, target);
  if (worker->arch)
    return true;
  if (target != worker->workers->own && worker->workers->simulated) {
    char text[16];
    snprintf(text, sizeof text, "%u", arch);
    setenv("FLASHJIT_SIM_ARCH", text, 1);
  }
  if (!device_open(&worker->trial.device, NULL))
    return trial_fail(&worker->trial, "%s", worker->trial.device.error);
  worker->arch = arch;
  return true;
}

bool worker_can_do(const struct worker *worker, const struct job *job) {
  const bool is_run = worker->workers->list->classes[job->class_number].run;
  return !is_run || !worker->arch || worker->arch == arch_for(worker, job->target);
}

/* The same for a spec whichever jobs there are beside it. */
static random_state seed_of(const struct worker *worker, const struct job *job) {
  return XXH3_64bits_withSeed(&job->spec, sizeof job->spec, worker->workers->seed + job->target->arch);
}

/* Whether a compiled kernel is of the family that is preferred: tiles that spill give way to others of their family. */
static bool is_of_preferred_family(const struct job *job, const fi_facts *facts) {
  struct tile preferred;
  struct tile compiled;
  return tile_plan(&job->spec, job->target, 0, &preferred) == FI_OK &&
         tile_plan(&job->spec, job->target, facts->choice, &compiled) == FI_OK && preferred.family == compiled.family;
}

static bool compile(struct worker *worker, const struct job *job, struct job_result *result) {
  fi_facts facts = {.struct_size = sizeof facts};
  const fi_status status = fi_precompile(worker->trial.ctx, &job->spec, &facts);
  const bool only_not_kept = status == FI_ERROR_NOT_CACHED && *facts.toolchain;
  if (!only_not_kept && !trial_ok(&worker->trial, "fi_precompile", status))
    return false;
  result->registers = facts.registers;
  result->layer = facts.layer;
  result->compile_ms = facts.compile_ms;
  if (facts.spill_bytes > 0 && !worker->workers->list->classes[job->class_number].may_spill)
    return trial_fail(&worker->trial, "all tiles spill, the least %u bytes", facts.spill_bytes);
  return is_of_preferred_family(job, &facts) ||
         trial_fail(&worker->trial, "tile %u is of another family than the first, which spills", facts.choice);
}

/* A spec that fi_spec_supported refuses, which nothing may accept. */
static bool check_refusal(struct worker *worker, const struct job *job) {
  fi_facts facts = {.struct_size = sizeof facts};
  size_t size = 0;
  const fi_status expected = fi_spec_supported(&job->spec, job->target->name);
  const fi_status rendered = fi_kernel_source(&job->spec, job->target->name, NULL, &size);
  const fi_status compiled = fi_precompile(worker->trial.ctx, &job->spec, &facts);
  return (expected != FI_OK && rendered == expected && compiled == expected) ||
         trial_fail(&worker->trial, "fi_spec_supported gives status %d, fi_kernel_source %d, fi_precompile %d",
                    (int)expected, (int)rendered, (int)compiled);
}

static bool run(struct worker *worker, const struct job *job, struct job_result *result) {
  const struct job_class *class = &worker->workers->list->classes[job->class_number];
  if (!use_context(worker, job->target))
    return false;
  if (class->run)
    return use_device(worker, job->target) && class->run(&worker->trial, &job->spec);
  return class->is_refused ? check_refusal(worker, job) : compile(worker, job, result);
}

void worker_do(struct worker *worker, const struct job *job, struct job_result *result) {
  struct trial *trial = &worker->trial;
  const double begin = clock_seconds();
  result->state = JOB_RUNNING;
  trial->why[0] = '\0';
  trial->random = seed_of(worker, job);
  const bool passed = run(worker, job, result);
  result->seconds = clock_seconds() - begin;
  memcpy(result->why, trial->why, sizeof result->why);
  result->state = passed ? JOB_PASSED : JOB_FAILED;
}
