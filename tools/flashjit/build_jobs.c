/* Lists jobs, runs them in worker processes, and tells how it goes. */
#include "tools/flashjit/build_jobs.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/job_list.h"
#include "tools/flashjit/progress.h"
#include "tools/flashjit/roles.h"
#include "tools/flashjit/spec_list.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------------- progress */

struct building {
  struct progress progress;
  size_t compiled;
  size_t cached;
  double milliseconds;
  job_callback also;
  void *user;
};

/* "attention group=4 ... (sm_90a)" */
static void describe_job(const struct job *job, char *text, size_t size) {
  char spec[FI_SPEC_TEXT_SIZE] = "?";
  fi_spec_print(&job->spec, spec, sizeof spec);
  snprintf(text, size, "%s (%s)", spec, job->target);
}

static void note_result(void *user, const struct job *job, const struct job_result *result) {
  struct building *building = user;
  struct progress *progress = &building->progress;
  const bool compiled = result->status == FI_OK && result->facts.layer == FI_LAYER_COMPILED;
  char text[FI_SPEC_TEXT_SIZE + 32];
  describe_job(job, text, sizeof text);
  progress_step(progress, result->status != FI_OK);
  building->compiled += compiled;
  building->cached += result->status == FI_OK && !compiled;
  building->milliseconds += compiled ? result->facts.compile_ms : 0;
  progress_clear(progress);
  if (result->status)
    fprintf(stderr, "failed: %s: %s\n", text, result->message);
  else if (!progress->terminal && compiled)
    fprintf(stderr, "[%zu/%zu] compiled in %.0f ms: %s\n", progress->done, progress->count, result->facts.compile_ms,
            text);
  else if (!progress->terminal)
    fprintf(stderr, "[%zu/%zu] cached: %s%s%s\n", progress->done, progress->count, text,
            result->message[0] ? ": " : "", result->message);
  progress_draw(progress, text);
  if (building->also)
    building->also(building->user, job, result);
}

static int summarise(const struct building *building, FILE *file, int signal_number) {
  const struct progress *progress = &building->progress;
  progress_end(progress);
  fprintf(file, "%zu kernels: %zu compiled in %.1f s of compiler time, %zu in the cache, %zu failed", progress->count,
          building->compiled, building->milliseconds / 1000, building->cached, progress->failed);
  if (progress->done < progress->count)
    fprintf(file, ", %zu not done", progress->count - progress->done);
  fputc('\n', file);
  if (signal_number != 0)
    return 128 + signal_number;
  return progress->failed > 0 || progress->done < progress->count ? CLI_FAILED : CLI_OK;
}

/* ------------------------------------------------------------------------------------------------ a job */

/* The context of a target, made anew when the target changes: jobs of one target follow each other. */
struct compiling {
  fi_ctx *ctx;
  const char *target;
};

static fi_status use_target(struct compiling *own, const char *target) {
  if (own->ctx && own->target == target)
    return FI_OK;
  const fi_options context_options = {.struct_size = sizeof context_options, .target = target, .cache_shared = 1};
  fi_ctx_destroy(own->ctx);
  *own = (struct compiling){.target = target};
  return fi_ctx_create(&context_options, &own->ctx);
}

/* Neither the cache nor a compiler has it. */
static bool is_not_to_be_had(const struct job_result *result) {
  return result->status == FI_ERROR_NO_COMPILER ||
         (result->status == FI_ERROR_NOT_CACHED && result->facts.layer != FI_LAYER_COMPILED);
}

/* As fi_get_kernel does: the plan kernel of several kernels makes plans of one, too. */
static void take_stand_in(fi_ctx *ctx, const struct job *job, struct job_result *result) {
  fi_facts facts = {.struct_size = sizeof facts};
  char text[FI_SPEC_TEXT_SIZE] = "";
  fi_spec other = job->spec;
  other.members = PLAN_OF_SEVERAL;
  if (job->spec.members == PLAN_OF_SEVERAL || fi_precompile(ctx, &other, &facts))
    return;
  fi_spec_print(&other, text, sizeof text);
  snprintf(result->message, sizeof result->message, "%s stands in", text);
  result->facts = facts;
  result->status = FI_OK;
}

static bool compile(void *user, const struct job *job, struct job_result *result) {
  static struct compiling compiling; /* of this process */
  (void)user;
  result->status = use_target(&compiling, job->target);
  if (result->status == FI_OK)
    result->status = fi_precompile(compiling.ctx, &job->spec, &result->facts);
  if (result->status)
    snprintf(result->message, sizeof result->message, "%s", fi_last_error());
  if (job->is_for_others && is_not_to_be_had(result))
    take_stand_in(compiling.ctx, job, result);
  return true;
}

/* ------------------------------------------------------------------------------------------------ jobs */

static int list_specs(const struct build_choice *choice, const char *target, struct spec_list *list) {
  if (choice->specs)
    return spec_list_file(list, choice->specs);
  return spec_list_model(list, &choice->model, target);
}

static int add_jobs(struct kernel_jobs *jobs, const struct build_choice *choice, const char *target) {
  struct spec_list list = {0};
  const fi_spec plan = plan_spec();
  int code = list_specs(choice, target, &list);
  bool added = code != CLI_OK || !choice->with_plan || kernel_jobs_add_plan(jobs, &plan, target);
  for (size_t i = 0; code == CLI_OK && added && i < list.count; i++) {
    snippet_fill(&choice->model.snippet, &list.specs[i]);
    added = kernel_jobs_add(jobs, &list.specs[i], target);
  }
  spec_list_free(&list);
  if (!added) {
    complain("out of memory");
    code = CLI_FAILED;
  }
  return code;
}

static int list_jobs(struct kernel_jobs *jobs, const struct build_choice *choice) {
  char *rest = choice->targets;
  int code = CLI_OK;
  while (code == CLI_OK && rest)
    code = add_jobs(jobs, choice, strsep(&rest, ","));
  if (code == CLI_OK && !kernel_jobs_settle(jobs)) {
    complain("out of memory");
    code = CLI_FAILED;
  }
  return code;
}

/* ------------------------------------------------------------------------------------------------ targets */

static void take_target(void *user, const struct job *job, const struct job_result *result) {
  (void)job;
  char *target = user;
  if (result->status)
    complain("%s", result->message);
  else
    memcpy(target, result->facts.target, TARGET_SIZE);
}

static bool ask_target(void *user, const struct job *job, struct job_result *result) {
  (void)user;
  result->status = machine_target(job->target, result->facts.target);
  if (result->status)
    snprintf(result->message, sizeof result->message, "%s", fi_last_error());
  return true;
}

/* A worker asks, because processes that are started after this one has opened a driver could not use it. */
static int find_target(struct build_choice *choice) {
  const struct job any = {.target = NULL};
  const struct workers workers = {
      .jobs = &any, .count = 1, .processes = 1, .work = ask_target, .on_result = take_target, .user = choice->found};
  const int signal_number = workers_run(&workers);
  choice->targets = choice->found;
  if (signal_number != 0)
    return 128 + signal_number;
  return choice->found[0] ? CLI_OK : CLI_FAILED;
}

static bool check_targets(const struct build_choice *choice) {
  char target[32];
  for (const char *at = choice->targets; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    snprintf(target, sizeof target, "%.*s", (int)strcspn(at, ","), at);
    if (!option_target(choice->command, target))
      return false;
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ cache */

/* That a bundle or a folder to read cannot be used costs compiles. */
static void take_problem(void *user, const fi_event *event) {
  bool *can_keep = user;
  if (event->kind != FI_EVENT_CACHE_PROBLEM)
    return;
  complain("%s: %s", event->unkept ? "no kernel can be kept" : "the cache", event->message);
  *can_keep = *can_keep && !event->unkept;
}

/* Asked before anything is compiled, once for all jobs. */
static bool check_cache(void) {
  const char *folder = getenv("FLASHJIT_CACHE_DIR");
  bool can_keep = true;
  fi_ctx *ctx;
  const fi_options context_options = {.struct_size = sizeof context_options,
                                      .target = "",      /* not FLASHJIT_TARGET: --target may say otherwise */
                                      .cache_shared = 1, /* it is made to be shipped */
                                      .on_event = take_problem,
                                      .user = &can_keep};
  if (folder && !*folder) {
    complain("no kernel can be kept: FLASHJIT_CACHE_DIR is empty, which means no cache directory");
    return false;
  }
  if (fi_ctx_create(&context_options, &ctx)) {
    complain("%s", fi_last_error());
    return false;
  }
  fi_ctx_destroy(ctx);
  return can_keep;
}

static int run_jobs(const struct kernel_jobs *jobs, const struct build_choice *choice, FILE *summary,
                    job_callback on_result, void *user) {
  struct building building = {.also = on_result, .user = user};
  const size_t count = jobs->list.count;
  const struct workers workers = {.jobs = jobs->list.jobs,
                                  .count = count,
                                  .first = jobs->first,
                                  .processes = choice->workers < count ? (size_t)choice->workers : count,
                                  .work = compile,
                                  .on_result = note_result,
                                  .user = &building};
  progress_begin(&building.progress, count);
  return summarise(&building, summary, workers_run(&workers));
}

int build_kernels(struct build_choice *choice, FILE *summary, job_callback on_result, void *user) {
  struct kernel_jobs jobs = {.first = 0};
  int code = CLI_OK;
  if (choice->targets && !check_targets(choice))
    return CLI_USAGE;
  if (!check_cache())
    return CLI_FAILED;
  if (!choice->targets)
    code = find_target(choice);
  if (code == CLI_OK)
    code = list_jobs(&jobs, choice);
  if (code == CLI_OK)
    code = run_jobs(&jobs, choice, summary, on_result, user);
  kernel_jobs_free(&jobs);
  return code;
}

/* ------------------------------------------------------------------------------------------------ choice */

void build_choice_init(struct build_choice *choice, const char *command) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  *choice = (struct build_choice){.command = command, .workers = cores > 0 ? (uint64_t)cores : 1};
  model_options_init(&choice->model);
}

int build_choice_check(const struct build_choice *choice) {
  if (!choice->specs == !choice->model.model.path)
    return usage_error(choice->command, "give either --specs or --model");
  if (choice->specs && strcmp(choice->specs, "-") == 0 && choice->targets && strchr(choice->targets, ','))
    return usage_error(choice->command, "--specs - goes with one target");
  return CLI_OK;
}
