/* The kernels that specs stand for, each of which is a job. */
#ifndef TOOLS_FLASHJIT_JOB_LIST_H
#define TOOLS_FLASHJIT_JOB_LIST_H

#include "tools/flashjit/workers.h"

struct job_list {
  struct job *jobs;
  size_t count;
  size_t room;
};

/* Plan kernels are there before the kernels that take their plans, so that each is the work of its own job. Kernels
 * without a plan are made after plan kernels, while the last of these are. */
struct kernel_jobs {
  struct job_list list; /* plan kernels; once settled, all */
  size_t first;         /* so many are done before the others begin */
  struct job_list planless;
  struct job_list planned;
};

/* Adds the kernels of a spec, and the plan kernels that they need together and alone; of a spec without kernels one
 * job, which will tell why. False when there is no memory. */
bool kernel_jobs_add(struct kernel_jobs *jobs, const fi_spec *spec, const char *target);

/* Adds a plan kernel that others need. Likewise. */
bool kernel_jobs_add_plan(struct kernel_jobs *jobs, const fi_spec *plan, const char *target);

/* When all are added: leaves one of those that are equal. Likewise. */
bool kernel_jobs_settle(struct kernel_jobs *jobs);

void kernel_jobs_free(struct kernel_jobs *jobs);

#endif
