/* The kernels that specs stand for, each of which is a job. */
#ifndef TOOLS_FLASHJIT_JOB_LIST_H
#define TOOLS_FLASHJIT_JOB_LIST_H

#include "tools/flashjit/workers.h"

struct job_list {
  struct job *jobs;
  size_t count;
  size_t room;
};

/* Plan kernels are there before the kernels that take their plans, so that each is the work of its own job. */
struct kernel_jobs {
  struct job_list plans;
  struct job_list others;
};

/* Adds the kernels of a spec, and the plan kernels that they need together and alone; of a spec without kernels one
 * job, which will tell why. False when there is no memory. */
bool kernel_jobs_add(struct kernel_jobs *jobs, const fi_spec *spec, const char *target);

/* Leaves one of those that are equal, the first. Likewise. */
bool kernel_jobs_settle(struct kernel_jobs *jobs);

void kernel_jobs_free(struct kernel_jobs *jobs);

#endif
