/* The work of the matrix: classes of tests, and one job for each distinct kernel. */
#ifndef TESTS_MATRIX_JOBS_H
#define TESTS_MATRIX_JOBS_H

#include "tests/matrix/targets.h"
#include "tests/matrix/trial.h"

#include <stddef.h>

enum { MOST_CLASSES = 32, JOB_TEXT_SIZE = FI_SPEC_TEXT_SIZE + 96 };

/* Jobs that are counted together. */
struct job_class {
  const char *name;
  bool (*run)(struct trial *trial, const fi_spec *canonical); /* NULL: compile only */
  bool is_refused; /* compile only: there is no such kernel, and fi_precompile must say so too */
  bool may_spill;  /* compile only: a kernel that spills with every tile is one, too */
  size_t points;
  size_t distinct; /* points with a text of their own */
};

struct job {
  fi_spec spec; /* canonical, unless it is refused */
  const struct target *target;
  uint32_t class_number;
};

struct job_list {
  struct target_list targets; /* the first is that of the device at hand */
  struct job_class classes[MOST_CLASSES];
  uint32_t class_count;
  struct job *jobs; /* those of one target follow each other */
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

/*
 * Each begins with an empty list that has its targets; false, with a problem, when the matrix does not fit the axes.
 * To run: the full product for the first target, pairs for all, and the tests of their own; those at least whose lines
 * have the filter, if it is not NULL.
 */
bool jobs_to_run(struct job_list *list, const char *filter);

/* To compile: the pairs. */
bool jobs_to_compile(struct job_list *list);

/* To compile: random specs, and refused ones that were met on the way. */
bool jobs_of_census(struct job_list *list, uint32_t specs, uint64_t seed);

/* "append, pairs: append hd=64 page=16 for sm_80" */
void job_print(const struct job_list *list, const struct job *job, char *text, size_t size);

void jobs_choose(struct job_list *list, const struct job_choice *choice);
void jobs_free(struct job_list *list);

#endif
