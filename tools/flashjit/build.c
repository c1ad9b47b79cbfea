/* flashjit build: compiles kernels into the cache, several at a time. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/spec_list.h"
#include "tools/flashjit/workers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: flashjit build (--specs FILE | --model CONFIG.json | --all) [options]\n"
    "\n"
    "Compiles kernels into the cache (FLASHJIT_CACHE_DIR). What is cached already is left alone, so that\n"
    "a build that was stopped goes on where it was. Needs no GPU when a target is given.\n"
    "\n"
    "  --specs FILE        one spec a line; - for standard input\n"
    "  --model CONFIG.json the kernels of a model\n"
    "  --all               every spec that has a kernel\n"
    "  --target T[,T...]   such as sm_90a,sm_80; default: that of the GPU\n"
    "  -j, --jobs N        worker processes; default: one per core\n";

enum { TARGET_SIZE = sizeof((fi_facts *)NULL)->target };

enum { OPTION_SPECS = OPTIONS_OF_MODEL, OPTION_ALL, OPTION_TARGET };

static const struct option options[] = {
    {"specs", required_argument, NULL, OPTION_SPECS},
    MODEL_OPTION_ROWS,
    {"all", no_argument, NULL, OPTION_ALL},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"jobs", required_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct choice {
  const char *specs;
  struct model_options model;
  bool all;
  char *targets;           /* with commas; cut up by list_jobs; NULL: the library's choice */
  char found[TARGET_SIZE]; /* that choice */
  uint64_t workers;
};

/* ----------------------------------------------------------------------------------------------- progress */

struct progress {
  const struct job *jobs;
  size_t count;
  size_t done;
  size_t compiled;
  size_t cached;
  size_t failed;
  double milliseconds;
  bool terminal;
};

/* "attention group=4 ... (sm_90a)" */
static void describe_job(const struct job *job, char *text, size_t size) {
  char spec[FI_SPEC_TEXT_SIZE] = "?";
  fi_spec_print(&job->spec, spec, sizeof spec);
  snprintf(text, size, "%s (%s)", spec, job->target);
}

static void draw_bar(const struct progress *progress, const char *job) {
  enum { WIDTH = 30 };
  char bar[WIDTH + 1];
  size_t filled = progress->count > 0 ? WIDTH * progress->done / progress->count : WIDTH;
  memset(bar, '-', WIDTH);
  memset(bar, '#', filled);
  bar[WIDTH] = '\0';
  fprintf(stderr, "\r\033[K[%s] %zu/%zu, %zu failed  %.60s", bar, progress->done, progress->count, progress->failed,
          job);
}

static void on_result(void *user, const struct job_result *result) {
  struct progress *progress = user;
  const bool compiled = result->status == FI_OK && result->facts.layer == FI_LAYER_COMPILED;
  char job[FI_SPEC_TEXT_SIZE + 32];
  describe_job(&progress->jobs[result->job], job, sizeof job);
  progress->done++;
  progress->failed += result->status != FI_OK;
  progress->compiled += compiled;
  progress->cached += result->status == FI_OK && !compiled;
  progress->milliseconds += compiled ? result->facts.compile_ms : 0;
  if (result->status)
    fprintf(stderr, "%sfailed: %s: %s\n", progress->terminal ? "\r\033[K" : "", job, result->message);
  if (progress->terminal)
    draw_bar(progress, job);
  else if (compiled)
    fprintf(stderr, "[%zu/%zu] compiled in %.0f ms: %s\n", progress->done, progress->count, result->facts.compile_ms,
            job);
  else if (result->status == FI_OK)
    fprintf(stderr, "[%zu/%zu] cached: %s\n", progress->done, progress->count, job);
}

static int summarise(const struct progress *progress, int signal_number) {
  if (progress->terminal)
    fputc('\n', stderr);
  printf("%zu kernels: %zu compiled in %.1f s of compiler time, %zu cached before, %zu failed", progress->count,
         progress->compiled, progress->milliseconds / 1000, progress->cached, progress->failed);
  if (progress->done < progress->count)
    printf(", %zu not done", progress->count - progress->done);
  putchar('\n');
  if (signal_number != 0)
    return 128 + signal_number;
  return progress->failed > 0 || progress->done < progress->count ? CLI_FAILED : CLI_OK;
}

/* ------------------------------------------------------------------------------------------------ jobs */

struct job_list {
  struct job *jobs;
  size_t count;
};

static int list_specs(const struct choice *choice, const char *target, struct spec_list *list) {
  if (choice->specs)
    return spec_list_file(list, choice->specs);
  if (choice->model.model.path)
    return spec_list_model(list, &choice->model, target);
  return spec_list_all(list);
}

/* Of all specs, those that the target has a kernel for; of asked ones all, so that the others are reported.
 */
static int add_jobs(struct job_list *jobs, const struct choice *choice, const char *target) {
  struct spec_list list = {0};
  int code = list_specs(choice, target, &list);
  struct job *longer = NULL;
  if (code == CLI_OK)
    longer = realloc(jobs->jobs, (jobs->count + list.count + 1) * sizeof *longer);
  if (longer)
    jobs->jobs = longer;
  for (size_t i = 0; longer && i < list.count; i++) {
    if (!choice->all || fi_spec_supported(&list.specs[i], target) == FI_OK)
      jobs->jobs[jobs->count++] = (struct job){list.specs[i], target};
  }
  spec_list_free(&list);
  if (code == CLI_OK && !longer) {
    complain("out of memory");
    code = CLI_FAILED;
  }
  return code;
}

static int list_jobs(struct job_list *jobs, const struct choice *choice) {
  char *rest = choice->targets;
  int code = CLI_OK;
  while (code == CLI_OK && rest)
    code = add_jobs(jobs, choice, strsep(&rest, ","));
  return code;
}

/* ------------------------------------------------------------------------------------------------ targets */

static void take_target(void *user, const struct job_result *result) {
  char *target = user;
  if (result->status)
    complain("%s", result->message);
  else
    memcpy(target, result->facts.target, TARGET_SIZE);
}

/*
 * The library's choice, which the facts of a plan kernel tell; every batch needs one in any case. A worker
 * asks, because processes that are started after this one has opened a driver could not use it.
 */
static int find_target(struct choice *choice) {
  const struct job plan = {.spec = plan_spec()};
  const int signal_number = workers_run(&plan, 1, 1, take_target, choice->found);
  choice->targets = choice->found;
  if (signal_number != 0)
    return 128 + signal_number;
  return choice->found[0] ? CLI_OK : CLI_FAILED;
}

static bool check_targets(const char *targets) {
  char target[32];
  for (const char *at = targets; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    snprintf(target, sizeof target, "%.*s", (int)strcspn(at, ","), at);
    if (!option_target("build", target))
      return false;
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ cache */

static void take_problem(void *user, const fi_event *event) {
  bool *can_keep = user;
  if (event->kind != FI_EVENT_CACHE_PROBLEM || !event->unkept)
    return;
  complain("no kernel can be kept: %s", event->message);
  *can_keep = false;
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

static int build(struct choice *choice) {
  struct job_list list = {0};
  int code = CLI_OK;
  if (choice->targets && !check_targets(choice->targets))
    return CLI_USAGE;
  if (!check_cache())
    return CLI_FAILED;
  if (!choice->targets)
    code = find_target(choice);
  if (code == CLI_OK)
    code = list_jobs(&list, choice);
  if (code == CLI_OK) {
    struct progress progress = {.jobs = list.jobs, .count = list.count, .terminal = isatty(STDERR_FILENO)};
    size_t workers = choice->workers < list.count ? (size_t)choice->workers : list.count;
    code = summarise(&progress, workers_run(list.jobs, list.count, workers, on_result, &progress));
  }
  free(list.jobs);
  return code;
}

/* ------------------------------------------------------------------------------------------------ options */

/* Takes one option; false when its value is wrong. */
static bool take_option(struct choice *choice, int code) {
  switch (code) {
  case OPTION_SPECS:
    choice->specs = optarg;
    return true;
  case OPTION_ALL:
    choice->all = true;
    return true;
  case OPTION_TARGET:
    choice->targets = optarg;
    return true;
  case 'j':
    return option_number("build", "--jobs", optarg, 1, MOST_WORKERS, &choice->workers);
  default:
    return model_option("build", code, optarg, &choice->model);
  }
}

int command_build(int argc, char **argv) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  struct choice choice = {.workers = cores > 0 ? (uint64_t)cores : 1};
  int code;
  model_options_init(&choice.model);
  while ((code = getopt_long(argc, argv, ":hj:", options, NULL)) != -1) {
    if (code == 'h') {
      printf("%s%s", help, model_options_help);
      return CLI_OK;
    }
    if (code == '?' || code == ':')
      return unknown_option("build", code, argv);
    if (!take_option(&choice, code))
      return CLI_USAGE;
  }
  if (optind < argc)
    return usage_error("build", "unexpected argument \"%s\"", argv[optind]);
  if ((choice.specs != NULL) + (choice.model.model.path != NULL) + choice.all != 1)
    return usage_error("build", "give one of --specs, --model and --all");
  if (choice.specs && strcmp(choice.specs, "-") == 0 && choice.targets && strchr(choice.targets, ','))
    return usage_error("build", "--specs - goes with one target");
  return build(&choice);
}
