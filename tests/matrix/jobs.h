/* The work of the matrix: classes of tests, and one job for each distinct kernel. */
#ifndef TESTS_MATRIX_JOBS_H
#define TESTS_MATRIX_JOBS_H

#include "generator/target.h"
#include "tests/matrix/trial.h"

#include <stddef.h>

enum { MOST_CLASSES = 8, JOB_TEXT_SIZE = FI_SPEC_TEXT_SIZE + 64 };

/* Jobs that are counted together. */
struct job_class {
  const char *name;
  const char *target; /* kernels are rendered, and without run compiled, for it */
  bool (*run)(struct trial *trial, const fi_spec *canonical, const struct target *target); /* NULL: compile only */
  size_t points;
  size_t distinct;    /* points with a text of their own */
  size_t unsupported; /* points that the target has no room for */
};

struct job {
  fi_spec spec; /* canonical */
  uint32_t class_number;
};

struct job_list {
  struct job_class classes[MOST_CLASSES];
  uint32_t class_count;
  struct job *jobs;
  size_t count;
  size_t capacity;
};

/* Which of all jobs are wanted. */
struct job_choice {
  const char *filter; /* a part of the job's text, or NULL */
  uint32_t shard;     /* of shards, from 1 */
  uint32_t shards;
  size_t limit; /* an even sample of so many; 0: all */
};

/* Every kernel to be run on a device of this target; false, with the reason, when the matrix does not fit the
 * axes. */
bool jobs_to_run(struct job_list *list, const char *target, char *why, size_t why_size);

/* Pairwise points, and each head dim and KV type with small and large tiles, to be compiled for the cubin
 * targets. */
bool jobs_to_compile(struct job_list *list, char *why, size_t why_size);

/* "append, pairs: append hd=64 page=16" */
void job_print(const struct job_list *list, const struct job *job, char *text, size_t size);

void jobs_choose(struct job_list *list, const struct job_choice *choice);
void jobs_free(struct job_list *list);

#endif
