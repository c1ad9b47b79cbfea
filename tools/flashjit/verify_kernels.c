/* A worker process runs kernel after kernel; one that makes the device useless costs the process and no other kernel.
 */
#include "tools/flashjit/verify_kernels.h"

#include "cache/contents.h"
#include "cache/hash.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/kernel_trial.h"
#include "tools/flashjit/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ list */

static bool is_listed(const struct verification *verification, const char *text) {
  for (size_t i = 0; i < verification->count; i++) {
    if (strcmp(verification->kernels[i].text, text) == 0)
      return true;
  }
  return false;
}

/* The new row; NULL when it is there already, or after a complaint there is no memory for it. */
static struct verified_kernel *add_row(struct verification *verification, const char *text) {
  if (is_listed(verification, text))
    return NULL;
  if (verification->count == verification->room) {
    const size_t room = verification->room ? 2 * verification->room : 64;
    struct verified_kernel *kernels = realloc(verification->kernels, room * sizeof *kernels);
    if (!kernels) {
      complain("out of memory");
      return NULL;
    }
    verification->kernels = kernels;
    verification->room = room;
  }
  struct verified_kernel *kernel = &verification->kernels[verification->count++];
  *kernel = (struct verified_kernel){.has_ended = false};
  snprintf(kernel->text, sizeof kernel->text, "%s", text);
  return kernel;
}

static void add_kernel(struct verification *verification, const char *text, const fi_spec *spec) {
  struct verified_kernel *kernel = add_row(verification, text);
  if (!kernel)
    return;
  kernel->spec = kernel->runs = *spec;
  if (spec->snippet != FI_SNIPPET_NONE)
    snprintf(kernel->skip, sizeof kernel->skip, "the reference does not know what its snippet computes");
}

int verify_add_specs(struct verification *verification, const struct spec_list *list) {
  char text[FI_SPEC_TEXT_SIZE];
  for (size_t i = 0; i < list->count; i++) {
    if (fi_spec_print(&list->specs[i], text, sizeof text)) {
      complain("%s", fi_last_error());
      return CLI_FAILED;
    }
    add_kernel(verification, text, &list->specs[i]);
  }
  return CLI_OK;
}

static void add_entry(void *user, const struct cache_entry *entry) {
  struct verification *verification = user;
  fi_spec spec;
  if (strcmp(entry->target, verification->target) != 0) {
    verification->other_targets++;
    return;
  }
  if (fi_spec_parse(entry->spec, &spec) == FI_OK) {
    fi_spec_member(&spec, verification->target, 0, &spec); /* entries made before kernels had several members */
    add_kernel(verification, entry->spec, &spec);
    return;
  }
  struct verified_kernel *kernel = add_row(verification, entry->spec);
  if (kernel)
    snprintf(kernel->skip, sizeof kernel->skip, "no spec of this library: %s", fi_last_error());
}

/* Where the user's directory is by default nobody has said that there is one. */
static bool was_named(const struct cache_contents *contents) {
  return !contents->is_users || getenv("FLASHJIT_CACHE_DIR");
}

/* Whether all is read of a layer from which something is expected; tells what is not. */
static bool is_all_read(const struct cache_contents *contents) {
  const bool is_good = contents->is_open ? contents->is_whole && contents->damaged == 0 : !was_named(contents);
  if (is_good)
    return true;
  if (contents->reason.text[0])
    complain("not all that is cached is verified: %s", contents->reason.text);
  else
    complain("nothing of %s is verified", contents->path);
  return false;
}

int verify_add_cached(struct verification *verification) {
  struct cache_contents contents;
  struct cache_store *store = environment_open_store();
  if (!store)
    return CLI_FAILED;
  for (size_t layer = 0; cache_contents(store, layer, add_entry, verification, &contents); layer++)
    verification->is_partial |= !is_all_read(&contents);
  cache_store_close(store);
  return CLI_OK;
}

static int compare_texts(const void *left, const void *right) {
  return strcmp(((const struct verified_kernel *)left)->text, ((const struct verified_kernel *)right)->text);
}

static bool has_kernel(const struct verification *verification, const fi_spec *spec) {
  char text[FI_SPEC_TEXT_SIZE] = "";
  size_t i = 0;
  fi_spec_print(spec, text, sizeof text);
  while (i < verification->count && strcmp(verification->kernels[i].text, text) != 0)
    i++;
  return i < verification->count;
}

/* Whether the list has all of several kernels that a spec stands for. */
static bool has_members(const struct verification *verification, const fi_spec *spec) {
  fi_spec member;
  uint32_t number = 0;
  while (fi_spec_member(spec, verification->target, number, &member) == FI_OK && has_kernel(verification, &member))
    number++;
  return number > 1 && fi_spec_member(spec, verification->target, number, &member) != FI_OK;
}

static bool takes_plans_of(const struct verification *verification, const fi_spec *spec,
                           const struct verified_kernel *plan_kernel) {
  fi_spec plan;
  char text[FI_SPEC_TEXT_SIZE] = "";
  return plan_spec_of(spec, verification->target, &plan) && fi_spec_print(&plan, text, sizeof text) == FI_OK &&
         strcmp(text, plan_kernel->text) == 0;
}

/* A plan kernel is verified by the first kernel that takes its plans, or by several that are one with rows left open.
 */
static void find_user(const struct verification *verification, struct verified_kernel *kernel) {
  for (size_t i = 0; i < verification->count; i++) {
    const struct verified_kernel *user = &verification->kernels[i];
    if (user->skip[0] || user->spec.op != FI_OP_ATTENTION)
      continue;
    fi_spec mix = user->spec;
    mix.rows = 0;
    const bool is_user = takes_plans_of(verification, &user->spec, kernel);
    if (is_user || (takes_plans_of(verification, &mix, kernel) && has_members(verification, &mix))) {
      kernel->runs = is_user ? user->spec : mix;
      return;
    }
  }
  snprintf(kernel->skip, sizeof kernel->skip, "no attention kernel of the list takes its plans");
}

static bool make_jobs(struct verification *verification) {
  verification->jobs = calloc(verification->count + 1, sizeof *verification->jobs);
  if (!verification->jobs)
    return false;
  if (verification->count > 0)
    qsort(verification->kernels, verification->count, sizeof *verification->kernels, compare_texts);
  for (size_t i = 0; i < verification->count; i++) {
    struct verified_kernel *kernel = &verification->kernels[i];
    if (!kernel->skip[0] && kernel->spec.op == FI_OP_PLAN)
      find_user(verification, kernel);
    verification->jobs[i] = (struct job){.spec = kernel->spec, .target = verification->target};
  }
  return true;
}

void verify_free(struct verification *verification) {
  free(verification->kernels);
  free(verification->jobs);
}

/* ------------------------------------------------------------------------------------------------ worker */

struct verifying {
  struct verification *verification;
  struct progress progress; /* in the parent */
};

static bool open_trial(struct trial *trial, const struct verification *verification) {
  const fi_options context_options = {
      .struct_size = sizeof context_options, .mode = verification->mode, .target = verification->target};
  trial->target = verification->target;
  if (trial->ctx)
    return true;
  if (!device_open(&trial->device, NULL))
    return trial_fail(trial, "%s", trial->device.error);
  return trial_ok(trial, "fi_ctx_create", fi_ctx_create(&context_options, &trial->ctx));
}

/* Gets the kernel, then runs the one that it is verified by; what cannot be had has a status. */
static bool get_and_run(struct trial *trial, const struct verification *verification,
                        const struct verified_kernel *asked, struct job_result *result) {
  fi_kernel *kernel;
  fi_spec canonical;
  result->finding.allowed = 0;
  result->status = fi_get_kernel(trial->ctx, &asked->spec, &kernel);
  if (!result->status)
    result->status = fi_kernel_facts(kernel, &result->facts);
  if (!result->status)
    result->status = fi_get_kernel(trial->ctx, &asked->runs, &kernel);
  if (!result->status)
    result->status = fi_kernel_spec(kernel, &canonical);
  if (!trial_ok(trial, "fi_get_kernel", result->status))
    return false;
  result->finding.allowed = kernel_trial_allowed(&canonical, verification->target);
  trial->random = XXH3_64bits_withSeed(&canonical, sizeof canonical, verification->seed);
  return kernel_trial(trial, &canonical, verification->target);
}

static bool verify_one(void *user, const struct job *job, struct job_result *result) {
  static struct trial trial; /* of this process */
  const struct verification *verification = ((struct verifying *)user)->verification;
  const struct verified_kernel *asked = &verification->kernels[job - verification->jobs];
  if (asked->skip[0])
    return true;
  trial.why[0] = '\0';
  trial.rows = 0;
  trial.error = 0;
  const bool passed = open_trial(&trial, verification) && get_and_run(&trial, verification, asked, result);
  if (!passed && !result->status && (!trial.ctx || device_failed(&trial.device)))
    result->status = FI_ERROR_DRIVER;
  result->finding = (struct job_finding){
      .wrong = !passed,
      .rows = trial.rows,
      .error = trial.error,
      .allowed = result->finding.allowed,
  };
  snprintf(result->message, sizeof result->message, "%s", trial.why);
  return trial.ctx && !device_failed(&trial.device);
}

/* ------------------------------------------------------------------------------------------------ results */

const char *verify_state_name(enum verify_state state) {
  static const char *const names[] = {
      [VERIFY_RIGHT] = "ok",        [VERIFY_WRONG] = "wrong",     [VERIFY_FAILED] = "failed",
      [VERIFY_SKIPPED] = "skipped", [VERIFY_NOT_RUN] = "not_run",
  };
  return names[state];
}

enum verify_state verify_state_of(const struct verified_kernel *kernel) {
  if (kernel->skip[0] || kernel->result.status == FI_ERROR_NOT_CACHED) /* of another version of the library */
    return VERIFY_SKIPPED;
  if (!kernel->has_ended)
    return VERIFY_NOT_RUN;
  if (kernel->result.status)
    return VERIFY_FAILED;
  return kernel->result.finding.wrong ? VERIFY_WRONG : VERIFY_RIGHT;
}

const char *verify_why(const struct verified_kernel *kernel) {
  if (verify_state_of(kernel) == VERIFY_NOT_RUN)
    return "the verification was stopped before its end";
  return kernel->skip[0] ? kernel->skip : kernel->result.message;
}

static void note_result(void *user, const struct job *job, const struct job_result *result) {
  (void)job;
  struct verifying *verifying = user;
  struct verified_kernel *kernel = &verifying->verification->kernels[result->job];
  kernel->result = *result;
  kernel->has_ended = true;
  const enum verify_state state = verify_state_of(kernel);
  progress_step(&verifying->progress, state == VERIFY_WRONG || state == VERIFY_FAILED);
  progress_clear(&verifying->progress);
  if (state != VERIFY_RIGHT)
    fprintf(stderr, "%s: %s: %s\n", verify_state_name(state), kernel->text, verify_why(kernel));
  progress_draw(&verifying->progress, kernel->text);
}

int verify_run(struct verification *verification) {
  struct verifying verifying = {.verification = verification};
  if (!make_jobs(verification)) {
    complain("out of memory");
    return 0;
  }
  const struct workers workers = {.jobs = verification->jobs,
                                  .count = verification->count,
                                  .processes = 1, /* of a device; the simulator has threads of its own */
                                  .work = verify_one,
                                  .on_result = note_result,
                                  .user = &verifying};
  progress_begin(&verifying.progress, verification->count);
  const int signal_number = workers_run(&workers);
  progress_end(&verifying.progress);
  return signal_number;
}
