/* What the comparison finds, and what it does not: rates over many seeds of synthetic samples. */
#include "tools/bench/statistics.h"
#include "tools/common/random.h"

#include <criterion/criterion.h>
#include <math.h>

static double uniform(random_state *random) {
  return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(random_state *random) {
  const double radius = sqrt(-2 * log(uniform(random)));
  return radius * cos(2 * 3.14159265358979323846 * uniform(random));
}

/*
 * Times of a run: every replay has noise of its own, the run a clock of its own, and one replay in twenty is
 * disturbed and takes up to half as long again.
 */
struct noise {
  double replay; /* deviations, relative */
  double run;
};

enum { SAMPLES = 31, SEEDS = 1000 };

static void draw(random_state *random, const struct noise *noise, double factor, double samples[SAMPLES]) {
  const double clock = exp(noise->run * normal(random));
  for (int i = 0; i < SAMPLES; i++) {
    const double disturbed = uniform(random) < 0.05 ? 1 + uniform(random) / 2 : 1;
    samples[i] = 50 * factor * clock * disturbed * exp(noise->replay * normal(random));
  }
}

struct counts {
  int of[4]; /* by verdict */
};

/* Verdicts on a run that takes `factor` times as long as the one before. */
static struct counts count_verdicts(const struct noise *noise, double factor) {
  struct counts counts = {{0}};
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    random_state random = seed * 77 + 5;
    double before[SAMPLES];
    double after[SAMPLES];
    draw(&random, noise, 1, before);
    draw(&random, noise, factor, after);
    const struct ratio ratio = statistics_ratio(before, SAMPLES, after, SAMPLES);
    counts.of[statistics_verdict(&ratio, 0.05)]++;
  }
  return counts;
}

static double share(const struct counts *counts, enum verdict_of_ratio verdict) {
  return (double)counts->of[verdict] / SEEDS;
}

/* As replays on one machine are: within 1 %, clocks within 1 %. */
static const struct noise usual = {0.01, 0.01};

/* Of a thousand rows that are as they were at most one is called slower or faster. */
Test(statistics, noise_is_not_flagged) {
  const struct noise noises[] = {usual, {0.03, 0.005}};
  for (size_t i = 0; i < 2; i++) {
    const struct counts counts = count_verdicts(&noises[i], 1);
    cr_expect_leq(share(&counts, RATIO_SLOWER), 0.001, "%g of noise %zu are slower", share(&counts, RATIO_SLOWER), i);
    cr_expect_leq(share(&counts, RATIO_FASTER), 0.001, "%g of noise %zu are faster", share(&counts, RATIO_FASTER), i);
    cr_expect_geq(share(&counts, RATIO_SAME), 0.98, "%g of noise %zu are the same", share(&counts, RATIO_SAME), i);
  }
}

Test(statistics, planted_loss_is_found) {
  const struct counts lost = count_verdicts(&usual, 1.10);
  cr_expect_geq(share(&lost, RATIO_SLOWER), 0.99, "%g of losses of 10 %% are found", share(&lost, RATIO_SLOWER));
  cr_expect_eq(share(&lost, RATIO_FASTER), 0);
  const struct counts won = count_verdicts(&usual, 1 / 1.10);
  cr_expect_geq(share(&won, RATIO_FASTER), 0.99, "%g of gains of 10 %% are found", share(&won, RATIO_FASTER));
}

/* Machines differ by 3 %, all rows alike: that is no loss, and seldom hides one. */
Test(statistics, other_machine) {
  const struct noise noise = {0.01, 0.003};
  const struct counts other = count_verdicts(&noise, 1.03);
  cr_expect_leq(share(&other, RATIO_SLOWER), 0.001, "%g are slower", share(&other, RATIO_SLOWER));
  const struct counts hidden = count_verdicts(&noise, 1.10 / 1.03);
  cr_expect_geq(share(&hidden, RATIO_SLOWER), 0.85, "%g are found", share(&hidden, RATIO_SLOWER));
}

/* Replays that vary by 8 % say little: a loss of 10 % is seldom sure, but never called the same with confidence. */
Test(statistics, wild_samples) {
  const struct noise noise = {0.08, 0.01};
  const struct counts none = count_verdicts(&noise, 1);
  cr_expect_leq(share(&none, RATIO_SLOWER), 0.001, "%g are slower", share(&none, RATIO_SLOWER));
  const struct counts lost = count_verdicts(&noise, 1.10);
  cr_expect_geq(share(&lost, RATIO_SLOWER) + share(&lost, RATIO_UNCLEAR), 0.9, "%g are seen",
                share(&lost, RATIO_SLOWER) + share(&lost, RATIO_UNCLEAR));
}

/* Bounds of confidence hold the truth: without clocks of their own all but about two in a thousand do. */
Test(statistics, bounds_hold) {
  const struct noise noise = {0.02, 0};
  int missed = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    random_state random = seed;
    double before[SAMPLES];
    double after[SAMPLES];
    draw(&random, &noise, 1, before);
    draw(&random, &noise, 1.07, after);
    const struct ratio ratio = statistics_ratio(before, SAMPLES, after, SAMPLES);
    missed += ratio.low > 1.07 || ratio.high < 1.07;
    cr_expect(ratio.low <= ratio.estimate && ratio.estimate <= ratio.high);
  }
  cr_expect_leq(missed, SEEDS / 200, "%d of %d", missed, SEEDS);
}

/* With few samples nothing is sure, however large the difference is. */
Test(statistics, few_samples) {
  const double before[] = {10, 10, 10};
  const double after[] = {20, 20, 20};
  struct ratio ratio = statistics_ratio(before, 3, after, 3);
  cr_expect_float_eq(ratio.estimate, 2, 1e-12);
  cr_expect_eq(statistics_verdict(&ratio, 0.05), RATIO_UNCLEAR);
  ratio = statistics_ratio(before, 0, after, 3);
  cr_expect(isnan(ratio.estimate));
  cr_expect_eq(statistics_verdict(&ratio, 0.05), RATIO_UNCLEAR);
}

Test(statistics, summary) {
  const double samples[] = {5, 1, 3, 2, 4};
  const struct summary summary = statistics_summary(samples, 5);
  cr_expect_eq(summary.median, 3);
  cr_expect_eq(summary.least, 1);
  cr_expect_eq(summary.most, 5);
  cr_expect_float_eq(summary.spread, 2.0 / 3, 1e-12);
  cr_expect_eq(statistics_summary(samples, 2).median, 3);
  cr_expect_eq(statistics_summary(samples, 1).spread, 0);
  cr_expect(isnan(statistics_summary(samples, 0).median));
}
