/* Holds outputs against the reference. */
#ifndef TESTS_MATRIX_COMPARE_H
#define TESTS_MATRIX_COMPARE_H

#include "tests/matrix/trial.h"
#include "tests/reference.h"

#include <stddef.h>

/* O and LSE of some rows. Begin with zeros and measure_dtype. */
struct comparison {
  uint32_t dtype;       /* of the tolerance */
  double lse_tolerance; /* 0: that of the dtype */
  double difference;    /* sums of squares */
  double reference;
};

/*
 * One row of O, at element `offset` of data, and its log-sum-exp (NULL: none). `row` names the row in
 * failures.
 */
bool compare_row(struct comparison *comparison, struct trial *trial, const fi_spec *spec, const char *row,
                 const double *o, double lse, const void *data, size_t offset, const float *got_lse);

/* After all rows: the norm of the difference. */
bool compare_norm(const struct comparison *comparison, struct trial *trial);

/* A row of the cache. */
struct stored_row {
  const char *tensor; /* "K" or "V" */
  uint32_t dtype;
  uint32_t dim;
  bool is_rotated; /* in single precision, with an error in the size of the row */
  const void *data;
  size_t offset; /* elements */
};

/* Whether a row is what was to be stored, rounded to the nearest of its type. */
bool compare_stored(struct trial *trial, const struct stored_row *stored, const char *row, const double *expected);

/* Whether a scale, and that on the host in it, is what append makes of a row or group. */
bool compare_scale(struct trial *trial, const fi_spec *spec, const struct stored_row *stored, const char *row,
                   const double *expected, double scale, double host);

/* Whether a row is finite: what can be said of a row that is not worth the reference's time. */
bool compare_finite(struct trial *trial, const fi_spec *spec, const char *row, const void *data, size_t offset);

/* Whether nothing has written to memory that was poisoned. */
bool compare_poison(struct trial *trial, const char *tensor, const void *data, size_t bytes);

#endif
