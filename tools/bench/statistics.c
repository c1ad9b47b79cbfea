/* Medians, and the comparison of two sets of samples. */
#include "tools/bench/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a normal distribution's weight a thousandth is beyond so many deviations. */
static const double deviations = 3.0902;

static int compare(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

/* The value below which this share of sorted values lies, between neighbours by proportion. */
static double quantile(const double *sorted, size_t count, double share) {
  const double place = share * (double)(count - 1);
  const size_t below = (size_t)place;
  const size_t above = below + 1 < count ? below + 1 : below;
  return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

struct summary statistics_summary(const double *samples, size_t count) {
  struct summary summary = {NAN, NAN, NAN, NAN};
  double *sorted = count > 0 ? malloc(count * sizeof *sorted) : NULL;
  if (!sorted)
    return summary;
  memcpy(sorted, samples, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare);
  summary.median = quantile(sorted, count, 0.5);
  summary.least = sorted[0];
  summary.most = sorted[count - 1];
  summary.spread = (quantile(sorted, count, 0.75) - quantile(sorted, count, 0.25)) / summary.median;
  free(sorted);
  return summary;
}

/* So many of the smallest differences, and of the largest, are beyond the bounds; 0 or less: there are no bounds. */
static double beyond(double before_count, double after_count) {
  const double pairs = before_count * after_count;
  return pairs / 2 - deviations * sqrt(pairs * (before_count + after_count + 1) / 12);
}

struct ratio statistics_ratio(const double *before, size_t before_count, const double *after, size_t after_count) {
  struct ratio ratio = {NAN, 0, INFINITY};
  const size_t pairs = before_count * after_count;
  double *differences = pairs > 0 ? malloc(pairs * sizeof *differences) : NULL;
  if (!differences)
    return ratio;
  for (size_t i = 0; i < pairs; i++)
    differences[i] = log(after[i % after_count]) - log(before[i / after_count]);
  qsort(differences, pairs, sizeof *differences, compare);
  ratio.estimate = exp(quantile(differences, pairs, 0.5));
  const double outside = beyond((double)before_count, (double)after_count);
  if (outside >= 1) {
    ratio.low = exp(differences[(size_t)outside - 1]);
    ratio.high = exp(differences[pairs - (size_t)outside]);
  }
  free(differences);
  return ratio;
}

enum verdict_of_ratio statistics_verdict(const struct ratio *ratio, double tolerance) {
  if (ratio->low > 1 + tolerance)
    return RATIO_SLOWER;
  if (ratio->high < 1 / (1 + tolerance))
    return RATIO_FASTER;
  if (ratio->estimate <= 1 + tolerance && ratio->estimate >= 1 / (1 + tolerance))
    return RATIO_SAME;
  return RATIO_UNCLEAR;
}

const char *statistics_verdict_name(enum verdict_of_ratio verdict) {
  static const char *const names[] = {"same", "faster", "slower", "unclear"};
  return names[verdict];
}
