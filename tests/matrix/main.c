/*
 * matrix: every specialisation of the declared matrix, run against the reference on the device that
 * FLASHJIT_DRIVER names, or compiled; or random specs, compiled.
 */
#include "tests/matrix/report.h"
#include "tools/flashjit/problem.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: matrix [options]\n"
    "  -j, --jobs N           processes (default: one a core)\n"
    "      --compile          compile the pairs of the matrix instead of running kernels; needs no device\n"
    "      --census N         compile N random legal specs; needs no device\n"
    "      --targets LIST     such as sm_80,sm_120a (default: to compile, all that have cubins; to run, the device's\n"
    "                         and, for pairs, older ones, on the simulator all)\n"
    "      --filter TEXT      only jobs with TEXT in the line that --list prints\n"
    "      --shard I/N        the I-th of N parts\n"
    "      --limit N          N specs, evenly spread\n"
    "      --seed N           of all random inputs (default: FLASHJIT_TEST_SEED, else the time)\n"
    "      --cache DIR        keep compiled kernels there (default: compile everything)\n"
    "      --list             print the specs and do nothing\n"
    "FLASHJIT_DRIVER chooses the device: \"sim\" is the simulator.\n";

struct settings {
  bool compile;
  uint32_t census; /* specs */
  const char *targets;
  bool list;
  struct job_choice choice;
  struct workers workers;
};

static const struct option options[] = {
    {"jobs", required_argument, NULL, 'j'},
    {"compile", no_argument, NULL, 'b'},
    {"census", required_argument, NULL, 'n'},
    {"targets", required_argument, NULL, 't'},
    {"filter", required_argument, NULL, 'f'},
    {"shard", required_argument, NULL, 's'},
    {"limit", required_argument, NULL, 'l'},
    {"seed", required_argument, NULL, 'r'},
    {"cache", required_argument, NULL, 'c'},
    {"list", no_argument, NULL, 'p'},
    {0},
};

/* A whole number from least on, all of text. */
static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *number) {
  char *end;
  *number = strtoull(text, &end, 0);
  return *text >= '0' && *text <= '9' && *end == '\0' && *number >= least && *number <= most;
}

static bool read_shard(const char *text, struct job_choice *choice) {
  char end;
  return sscanf(text, "%" SCNu32 "/%" SCNu32 "%c", &choice->shard, &choice->shards, &end) == 2 && choice->shard >= 1 &&
         choice->shard <= choice->shards;
}

static bool read_option(int option, struct settings *settings) {
  uint64_t number = 0;
  bool good = true;
  switch (option) {
  case 'j':
    good = read_number(optarg, 1, 256, &number);
    settings->workers.count = (uint32_t)number;
    return good;
  case 'b':
    settings->compile = true;
    return true;
  case 'n':
    good = read_number(optarg, 1, 1000000, &number);
    settings->census = (uint32_t)number;
    return good;
  case 't':
    settings->targets = optarg;
    return true;
  case 'f':
    settings->choice.filter = optarg;
    return true;
  case 's':
    return read_shard(optarg, &settings->choice);
  case 'l':
    good = read_number(optarg, 1, SIZE_MAX, &number);
    settings->choice.limit = number;
    return good;
  case 'r':
    return read_number(optarg, 0, UINT64_MAX, &settings->workers.seed);
  case 'c':
    settings->workers.cache_dir = optarg;
    return true;
  case 'p':
    settings->list = true;
    return true;
  default:
    return false;
  }
}

/* CI sets the variable, so that who reads its report can run the very same inputs. */
static uint64_t default_seed(void) {
  const char *text = getenv("FLASHJIT_TEST_SEED");
  uint64_t seed;
  return text && read_number(text, 0, UINT64_MAX, &seed) ? seed : (uint64_t)time(NULL);
}

static bool read_options(int argc, char **argv, struct settings *settings) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  int option;
  *settings = (struct settings){
      .choice = {.shard = 1, .shards = 1},
      .workers = {.count = cores > 0 ? (uint32_t)cores : 1, .seed = default_seed(), .cache_dir = ""},
  };
  while ((option = getopt_long(argc, argv, "j:", options, NULL)) != -1) {
    if (!read_option(option, settings))
      return false;
  }
  return optind == argc;
}

/* The simulator's reports are part of the failures; its order of warps is drawn too. */
static void set_up_simulator(uint64_t seed) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, seed);
  setenv("FLASHJIT_SIM_QUIET", "1", 0);
  setenv("FLASHJIT_SIM_SEED", text, 0);
}

/* The targets of cubins; to run, those of the device. */
static bool choose_targets(struct settings *settings, struct target_list *targets) {
  struct machine machine;
  if (settings->compile || settings->census > 0) {
    targets_of_form(false, targets);
  } else {
    if (!workers_probe(&machine))
      return problem_set("%s", machine.why);
    printf("%s%s, %s\n", machine.device, machine.simulated ? " (simulated)" : "", machine.target);
    settings->workers.simulated = machine.simulated;
    settings->workers.own = target_find(machine.target);
    targets_to_run(machine.target, machine.simulated, targets);
  }
  return !settings->targets || targets_parse(settings->targets, targets);
}

static bool make_jobs(struct settings *settings, struct job_list *list) {
  if (!choose_targets(settings, &list->targets))
    return false;
  if (settings->census > 0)
    return jobs_of_census(list, settings->census, settings->workers.seed);
  return settings->compile ? jobs_to_compile(list) : jobs_to_run(list, settings->choice.filter);
}

static int run(struct settings *settings, struct job_list *list) {
  struct workers *workers = &settings->workers;
  workers->list = list;
  printf("%zu jobs, %u processes, seed %" PRIu64 "\n", list->count, workers->count, workers->seed);
  const int stopped = workers_run(workers);
  if (!workers->results) {
    fprintf(stderr, "matrix: no memory\n");
    return EXIT_FAILURE;
  }
  const size_t failed = report_results(workers);
  workers_free(workers);
  if (stopped > 0)
    return 128 + stopped;
  return failed > 0 || list->count == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  struct settings settings;
  struct job_list list = {0};
  int status = EXIT_SUCCESS;
  if (!read_options(argc, argv, &settings)) {
    fputs(usage, stderr);
    return 2;
  }
  set_up_simulator(settings.workers.seed);
  if (!make_jobs(&settings, &list)) {
    fprintf(stderr, "matrix: %s\n", problem_last());
    jobs_free(&list);
    return EXIT_FAILURE;
  }
  jobs_choose(&list, &settings.choice);
  if (settings.list)
    report_list(&list);
  else
    status = run(&settings, &list);
  jobs_free(&list);
  return status;
}
