/* From specs to kernels. */
#include "tools/flashjit/job_list.h"

#include "tools/flashjit/roles.h"

#include <stdlib.h>
#include <string.h>

static bool add(struct job_list *list, const fi_spec *spec, const char *target) {
  if (list->count == list->room) {
    const size_t room = list->room ? 2 * list->room : 64;
    struct job *longer = realloc(list->jobs, room * sizeof *longer);
    if (!longer)
      return false;
    list->jobs = longer;
    list->room = room;
  }
  list->jobs[list->count++] = (struct job){*spec, target};
  return true;
}

static bool add_plan_of(struct kernel_jobs *jobs, const fi_spec *spec, const char *target) {
  fi_spec plan;
  fi_spec canonical;
  if (!plan_spec_of(spec, target, &plan) || fi_spec_member(&plan, target, 0, &canonical))
    return true;
  return add(&jobs->plans, &canonical, target);
}

static bool add_kernel(struct kernel_jobs *jobs, const fi_spec *kernel, const char *target) {
  struct job_list *list = kernel->op == FI_OP_PLAN ? &jobs->plans : &jobs->others;
  return add(list, kernel, target) && add_plan_of(jobs, kernel, target);
}

bool kernel_jobs_add(struct kernel_jobs *jobs, const fi_spec *spec, const char *target) {
  fi_spec kernel;
  if (fi_spec_member(spec, target, 0, &kernel))
    return add(&jobs->others, spec, target);
  bool added = add_plan_of(jobs, spec, target);
  for (uint32_t number = 0; added && fi_spec_member(spec, target, number, &kernel) == FI_OK; number++)
    added = add_kernel(jobs, &kernel, target);
  return added;
}

static int compare_jobs(const struct job *left, const struct job *right) {
  const int order = strcmp(left->target, right->target);
  return order ? order : memcmp(&left->spec, &right->spec, sizeof left->spec);
}

/* Of equal ones the first in the list comes first. */
static int compare_places(const void *left, const void *right) {
  const struct job *const *first = left;
  const struct job *const *second = right;
  const int order = compare_jobs(*first, *second);
  return order ? order : (*first > *second) - (*first < *second);
}

/* A job without a target is none. */
static void drop_marked(struct job_list *list) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (list->jobs[i].target)
      list->jobs[kept++] = list->jobs[i];
  }
  list->count = kept;
}

static bool drop_repeated(struct job_list *list) {
  struct job **places = malloc((list->count + 1) * sizeof *places);
  if (!places)
    return false;
  for (size_t i = 0; i < list->count; i++)
    places[i] = &list->jobs[i];
  qsort(places, list->count, sizeof *places, compare_places);
  size_t last = 0;
  for (size_t i = 1; i < list->count; i++) {
    if (compare_jobs(places[last], places[i]) == 0)
      places[i]->target = NULL;
    else
      last = i;
  }
  free(places);
  drop_marked(list);
  return true;
}

bool kernel_jobs_settle(struct kernel_jobs *jobs) {
  return drop_repeated(&jobs->plans) && drop_repeated(&jobs->others);
}

void kernel_jobs_free(struct kernel_jobs *jobs) {
  free(jobs->plans.jobs);
  free(jobs->others.jobs);
}
