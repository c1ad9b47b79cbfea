/* Failures with the text of the spec, a table of counts, and the closing line. */
#include "tests/matrix/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is said of a class. */
struct tally {
  size_t passed;
  size_t failed; /* those that were not done too */
  size_t cached; /* of compiled kernels */
  double seconds;
  size_t slowest; /* job, by compile time or by time of the whole test */
  size_t largest; /* job with the most registers */
};

void report_list(const struct job_list *list) {
  char text[JOB_TEXT_SIZE];
  for (size_t i = 0; i < list->count; i++) {
    job_print(list, &list->jobs[i], text, sizeof text);
    printf("%s\n", text);
  }
}

static void print_failures(const struct workers *workers) {
  char text[JOB_TEXT_SIZE];
  for (size_t i = 0; i < workers->list->count; i++) {
    const struct job_result *result = &workers->results[i];
    job_print(workers->list, &workers->list->jobs[i], text, sizeof text);
    if (result->state == JOB_FAILED)
      printf("FAILED %s\n  %s\n", text, result->why);
    else if (result->state != JOB_PASSED)
      printf("NOT DONE %s\n", text);
  }
}

static double duration(const struct job_class *class, const struct job_result *result) {
  return class->run ? result->seconds * 1000 : result->compile_ms;
}

static struct tally count(const struct workers *workers, uint32_t class_number) {
  const struct job_class *class = &workers->list->classes[class_number];
  struct tally tally = {.slowest = workers->list->count, .largest = workers->list->count};
  for (size_t i = 0; i < workers->list->count; i++) {
    const struct job_result *result = &workers->results[i];
    if (workers->list->jobs[i].class_number != class_number)
      continue;
    const bool passed = result->state == JOB_PASSED;
    tally.passed += passed;
    tally.failed += !passed;
    tally.cached += passed && !class->run && result->layer != FI_LAYER_COMPILED;
    tally.seconds += result->seconds;
    if (tally.slowest == workers->list->count ||
        duration(class, result) > duration(class, &workers->results[tally.slowest]))
      tally.slowest = i;
    if (tally.largest == workers->list->count || result->registers > workers->results[tally.largest].registers)
      tally.largest = i;
  }
  return tally;
}

static void print_extreme(const struct workers *workers, const char *what, double number, const char *unit,
                          size_t job) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec_print(&workers->list->jobs[job].spec, text, sizeof text);
  printf("  %s: %.0f %s, %s for %s\n", what, number, unit, text, workers->list->jobs[job].target->name);
}

static void print_extremes(const struct workers *workers, const struct job_class *class, const struct tally *tally) {
  if (tally->passed + tally->failed == 0 || class->is_refused)
    return;
  const struct job_result *slowest = &workers->results[tally->slowest];
  print_extreme(workers, "slowest", duration(class, slowest), "ms", tally->slowest);
  if (!class->run)
    print_extreme(workers, "largest", workers->results[tally->largest].registers, "registers", tally->largest);
}

size_t report_results(const struct workers *workers) {
  const struct job_list *list = workers->list;
  size_t passed = 0;
  size_t failed = 0;
  print_failures(workers);
  printf("%-24s %7s %8s %7s %7s %7s %9s\n", "", "points", "distinct", "passed", "failed", "cached", "seconds");
  for (uint32_t i = 0; i < list->class_count; i++) {
    const struct job_class *class = &list->classes[i];
    const struct tally tally = count(workers, i);
    printf("%-24s %7zu %8zu %7zu %7zu %7zu %9.1f\n", class->name, class->points, class->distinct, tally.passed,
           tally.failed, tally.cached, tally.seconds);
    print_extremes(workers, class, &tally);
    passed += tally.passed;
    failed += tally.failed;
  }
  printf("%zu passed, %zu failed, seed %" PRIu64 "\n", passed, failed, workers->seed);
  return failed;
}
