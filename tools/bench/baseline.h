/*
 * Rows beside those of an earlier run, which bench has written as json or jsonl. Each row gets
 *
 * baseline_verdict                 "same", "faster", "slower", "unclear", or "new": the earlier run has no time of it
 * baseline_us                      its median then
 * baseline_ratio, _low, _high      how many times as long it takes now, and the bounds of that: see statistics.h
 */
#ifndef TOOLS_BENCH_BASELINE_H
#define TOOLS_BENCH_BASELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct baseline {
  json_t *rows;
  json_t *head; /* what the file says of its run; an empty object when nothing */
};

/* False, with a problem, when the file is no such. */
bool baseline_read(struct baseline *baseline, const char *path);
void baseline_free(struct baseline *baseline);

struct comparison {
  size_t compared;
  size_t slower;
  size_t missing; /* rows with a time then, and none now */
  double drift;   /* the median of all ratios: what the machines, and not the rows, differ by; NaN of no rows */
};

/* Adds the members above to every row that has a time. */
struct comparison baseline_compare(const struct baseline *baseline, json_t *rows, double tolerance);

/* Whether no row is slower, of one or more: where times are, to compare nothing is no success. */
bool baseline_holds(const struct comparison *comparison, bool simulated);

#endif
