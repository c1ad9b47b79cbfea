/* What the matrix prints. */
#ifndef TESTS_MATRIX_REPORT_H
#define TESTS_MATRIX_REPORT_H

#include "tests/matrix/workers.h"

/* Lists the specs of all jobs. */
void report_list(const struct job_list *list);

/* Failures, the table of counts, and the closing line. Returns how many failed or were not done. */
size_t report_results(const struct workers *workers);

#endif
