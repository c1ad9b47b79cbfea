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
  list->jobs[list->count++] = (struct job){.spec = *spec, .target = target};
  return true;
}

bool kernel_jobs_add_plan(struct kernel_jobs *jobs, const fi_spec *plan, const char *target) {
  fi_spec canonical;
  if (fi_spec_member(plan, target, 0, &canonical))
    return true;
  const bool added = add(&jobs->list, &canonical, target);
  if (added)
    jobs->list.jobs[jobs->list.count - 1].is_for_others = true;
  return added;
}

static bool add_kernel(struct kernel_jobs *jobs, const fi_spec *kernel, const char *target) {
  fi_spec plan;
  if (kernel->op == FI_OP_PLAN)
    return add(&jobs->list, kernel, target);
  if (!plan_spec_of(kernel, target, &plan))
    return add(&jobs->planless, kernel, target);
  return add(&jobs->planned, kernel, target) && kernel_jobs_add_plan(jobs, &plan, target);
}

bool kernel_jobs_add(struct kernel_jobs *jobs, const fi_spec *spec, const char *target) {
  fi_spec kernel;
  fi_spec plan;
  if (fi_spec_member(spec, target, 0, &kernel))
    return add(&jobs->planless, spec, target);
  bool added = !plan_spec_of(spec, target, &plan) || kernel_jobs_add_plan(jobs, &plan, target);
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
    if (compare_jobs(places[last], places[i]) != 0) {
      last = i;
      continue;
    }
    places[last]->is_for_others &= places[i]->is_for_others;
    places[i]->target = NULL;
  }
  free(places);
  drop_marked(list);
  return true;
}

static bool append(struct job_list *list, const struct job_list *more) {
  bool added = true;
  for (size_t i = 0; added && i < more->count; i++)
    added = add(list, &more->jobs[i].spec, more->jobs[i].target);
  return added;
}

bool kernel_jobs_settle(struct kernel_jobs *jobs) {
  if (!append(&jobs->list, &jobs->planless) || !drop_repeated(&jobs->list) || !drop_repeated(&jobs->planned))
    return false;
  jobs->first = jobs->list.count;
  return append(&jobs->list, &jobs->planned);
}

void kernel_jobs_free(struct kernel_jobs *jobs) {
  free(jobs->list.jobs);
  free(jobs->planless.jobs);
  free(jobs->planned.jobs);
}
