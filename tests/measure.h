/* How far an output is from the reference, and how far it may be. */
#ifndef TESTS_MEASURE_H
#define TESTS_MEASURE_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is allowed when the coarsest dtype that values are rounded to on the way is this one. */
struct tolerance {
  double norm;    /* ||output - reference|| / ||reference|| of a tensor */
  double element; /* |output - reference| of an element, in units of the larger of |reference| and its row's
                     RMS */
  double lse;     /* |output - reference| / max(1, |reference|) of a log-sum-exp */
};

const struct tolerance *tolerance_of(uint32_t dtype);

/* What an element of O, of this type, may be off by besides, however small O is. */
double measure_floor(uint32_t stored);

/*
 * The dtype whose tolerance an attention output has: the coarsest of q_dtype, the type that the products are computed
 * in, which is bf16 for bf16 KV, and that of O. Elements of e4m3 are exact in either; FI_E4M3 where a kernel of the
 * spec for the target (NULL: any) has probabilities of it.
 */
uint32_t measure_dtype(const fi_spec *spec, const char *target);

/* Sums over the rows measured so far; begins as zeros. */
struct measure {
  double difference; /* sum of squares of output - reference; NaN stays NaN and fails */
  double reference;  /* sum of squares */
  double element;    /* largest deviation of an element */
  double lse;        /* largest deviation of a log-sum-exp */
  uint64_t rows;
};

/*
 * Adds one row of `size` elements that begins at element `begin` of data, whose type is `stored`. Returns the
 * first element beyond the tolerance of dtype, or size when none is. NaN is infinitely far from everything.
 */
uint32_t measure_row(struct measure *measure, const double *reference, uint32_t size, uint32_t dtype, uint32_t stored,
                     const void *data, size_t begin);

/* Adds one log-sum-exp; false when it is beyond the tolerance of dtype. */
bool measure_lse(struct measure *measure, double reference, uint32_t dtype, float lse);

void measure_merge(struct measure *into, const struct measure *from);

/* ||output - reference|| / ||reference||. */
double measure_norm(const struct measure *measure);

bool measure_passes(const struct measure *measure, uint32_t dtype);

#endif
