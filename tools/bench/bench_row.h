/*
 * A row of the table: one case by one provider, as a JSON object that all writers, the baseline and the plot read.
 *
 * case, spec, heads, batch, layer   what was run; layer of models
 * bytes, operations                 that a launch reads at least, and does
 * provider, version                 by whom: "flashjit", or a peer
 * status, reason                    "ok", "wrong" (the output), "failed" or "skipped", and why
 * simulated                         true: there are no times
 * us, us_least, us_most, spread     median of a launch, its bounds, and the quartiles' distance by the median
 * samples                           microseconds of each replay, for a later comparison
 * rate, rate_unit, share            TB/s or TFLOP/s, and of the ceiling that was measured in the same run
 * plan_us                           median of what is done once a step
 * error, allowed                    of the output against double precision; null is infinite
 * repro                             the command that times this row alone; from repro.h
 * baseline_...                      see baseline.h
 */
#ifndef TOOLS_BENCH_BENCH_ROW_H
#define TOOLS_BENCH_BENCH_ROW_H

#include "tools/bench/bench_case.h"

#include <jansson.h>

/* What this device does at most, measured in the same run. 0: not known. */
struct ceilings {
  double bytes;      /* read in a second */
  double operations; /* of 16-bit matrix products in a second */
};

/*
 * Makes the row of what was measured, an object with provider, version, status, reason, simulated, samples,
 * plan_samples, error and allowed, of which it takes the reference. What is not known is left out. NULL without memory.
 */
json_t *bench_row(const struct bench_case *what, json_t *measured, const struct ceilings *ceilings);

/* A member as a number; NaN when it has none. */
double bench_row_number(const json_t *row, const char *key);

/* A member as text; "" when it has none. */
const char *bench_row_text(const json_t *row, const char *key);

/* Its samples above 0, to be freed; NULL without memory. */
double *bench_row_samples(const json_t *row, size_t *count);

/* Whether the row has a time that counts. */
bool bench_row_is_timed(const json_t *row);

#endif
