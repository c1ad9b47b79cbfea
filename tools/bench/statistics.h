/*
 * What samples of times say. All of it goes by order, so that a replay during which the machine did something else
 * counts as one slow sample and not by how slow it was.
 */
#ifndef TOOLS_BENCH_STATISTICS_H
#define TOOLS_BENCH_STATISTICS_H

#include <stddef.h>

struct summary {
  double median;
  double least;
  double most;
  double spread; /* between the quartiles, of the median: 0.01 is 1 % */
};

/* Of one sample or more. NaN in all when there are none, or no memory. */
struct summary statistics_summary(const double *samples, size_t count);

/* How many times as long as before it takes: the Hodges-Lehmann estimate, and bounds that hold with confidence. */
struct ratio {
  double estimate;
  double low; /* 0: too few samples for a bound */
  double high;
};

/*
 * The median of after / before over all pairs of samples, with the bounds of Wilcoxon's rank sum test (Hollander,
 * Wolfe: Nonparametric Statistical Methods, 4.2 and 4.3, on logarithms): each is wrong once in a thousand times.
 * Samples are above 0. The estimate is NaN without samples or memory.
 */
struct ratio statistics_ratio(const double *before, size_t before_count, const double *after, size_t after_count);

/*
 * SLOWER: longer by more than the tolerance, with confidence; FASTER likewise. UNCLEAR: the estimate is beyond the
 * tolerance, but samples are too few or too wild to be sure. Runs on different machines differ by up to 3 % in
 * everything, so that the tolerance is to be above that and below what is to be found.
 */
enum verdict_of_ratio { RATIO_SAME, RATIO_FASTER, RATIO_SLOWER, RATIO_UNCLEAR };

enum verdict_of_ratio statistics_verdict(const struct ratio *ratio, double tolerance);

/* "same", "faster", "slower", "unclear". */
const char *statistics_verdict_name(enum verdict_of_ratio verdict);

#endif
