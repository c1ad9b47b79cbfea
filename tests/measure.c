/* Errors relative to the reference; the one table of tolerances. */
#include "tests/measure.h"

#include "tests/dtypes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Up to four roundings to the dtype stand between the reference and a right kernel: of rotated Q, of rotated
 * K, of the probabilities, of the output. Each adds at most 2^-(mantissa bits + 1) / sqrt(3) to the norm, and
 * since they are independent four add twice that: 0.56e-3 of f16, 4.5e-3 of bf16. So it is over many rows;
 * where a few large scores decide a small batch, the same errors of Q and K weigh more, and a third is added
 * for them. An element may be six deviations off. Quantised KV adds nothing: the reference reads the stored
 * values. But for int4, whose elements times their scales are rounded to f16, K where a rotated one is and V as a
 * fifth: 0.63e-3 of f16.
 *
 * Of bf16 an element was seen 4.4e-2 off where K is rotated inside, and so rounded once more.
 *
 * FI_E4M3 is for products of e4m3 by e4m3, where the probabilities are rounded to 3 bits of mantissa, and nothing else
 * is but the output. A number m 2^e, 1 <= m < 2, is off by at most 2^(e - 4), evenly, and so by 2^-3 / sqrt(12) / m of
 * itself. Over all m, whose logarithms are as frequent, the mean of 1 / m^2 is 3 / (8 ln 2): 2.65e-2 in the root of the
 * mean square. The sum of probabilities is of those that are not rounded, and errors are independent, so that O is off
 * by as much of itself where V is random. A third is added for small batches and for output of bf16, which adds 1e-3,
 * and an element may be six deviations off. A row's largest probability is 2^8 in e4m3: what is below 2^-10, 2^-18 of
 * it, is 0. Log-sum-exps are of sums that are not rounded. Of 32 products and the sum so far matrix units keep 13 bits
 * below the largest (tools/gpusim/exec/narrow.h): each of a score's d products is off by up to 2^-13 of it, evenly, the
 * score by 2^-13 * sqrt(d / 3) of it, 1.1e-3 for 256 dims, before it is divided by sqrt(d); of O only a step's tokens
 * are summed there.
 */
static const struct tolerance tolerances[] = {
    [FI_F16] = {1e-3, 8e-3, 4e-3},
    [FI_BF16] = {6e-3, 5e-2, 2e-2},
    [FI_E4M3] = {3.6e-2, 2.2e-1, 4e-3},
};

const struct tolerance *tolerance_of(uint32_t dtype) {
  return &tolerances[dtype];
}

/*
 * A row's weights are relative to its largest score, at most 2^8 (kSlack of templates/tile/softmax.cuh). Where a sink
 * outweighs them, O takes the factor exp2(score - sink) at its end, which the GPU makes 0 below the least normal number
 * of floats, 2^-126: a sink of e^87 times the weight. O loses 2^-126 of the sum of weights times V then; with 2^26 for
 * that sum, as of 2^12 tokens of that weight and V of 2^6, it is 2^-100. And what is stored is rounded.
 */
double measure_floor(uint32_t stored) {
  return fmax(dtype_spacing(stored, 0) / 2, 0x1p-100);
}

/* Whether the kernel rounds weights to e4m3, by a number of its tile (generator/tile_narrow.c): 0 where none is. */
static bool rounds_weights(const fi_spec *member, const char *target) {
  size_t size = 0;
  if (fi_kernel_source(member, target, NULL, &size))
    return false;
  char *source = malloc(size);
  const char number[] = "\nconstexpr int kWeightExponent = ";
  const char *found =
      source && fi_kernel_source(member, target, source, &size) == FI_OK ? strstr(source, number) : NULL;
  const bool rounds = found && found[sizeof number - 1] != '0';
  free(source);
  return rounds;
}

/* Of the kernels that rows left open stand for one is enough. */
static bool may_round_weights(const fi_spec *spec, const char *target) {
  fi_spec member;
  bool rounds = false;
  if (spec->op != FI_OP_ATTENTION || spec->q_dtype != FI_E4M3)
    return false;
  for (uint32_t i = 0; !rounds && fi_spec_member(spec, target, i, &member) == FI_OK; i++)
    rounds = rounds_weights(&member, target);
  return rounds;
}

uint32_t measure_dtype(const fi_spec *spec, const char *target) {
  if (may_round_weights(spec, target))
    return FI_E4M3;
  const bool is_coarse = spec->q_dtype == FI_BF16 || spec->kv_dtype == FI_BF16 || spec->o_dtype == FI_BF16;
  return is_coarse ? FI_BF16 : FI_F16;
}

static double row_scale(const double *row, uint32_t size) {
  double sum = 0;
  for (uint32_t i = 0; i < size; i++)
    sum += row[i] * row[i];
  return sqrt(sum / size);
}

/* difference / scale, where nothing divides: only a difference of zero is no deviation. */
static double deviation(double difference, double scale) {
  if (difference == 0)
    return 0;
  double result = fabs(difference) / scale;
  return isnan(result) ? INFINITY : result;
}

uint32_t measure_row(struct measure *measure, const double *reference, uint32_t size, uint32_t dtype, uint32_t stored,
                     const void *data, size_t begin) {
  double scale = row_scale(reference, size);
  double least = measure_floor(stored);
  uint32_t first = size;
  for (uint32_t i = 0; i < size; i++) {
    double off = fabs(dtype_decode(stored, data, begin + i) - reference[i]);
    double difference = off <= least ? 0 : off - least; /* NaN stays NaN */
    double element = deviation(difference, fmax(scale, fabs(reference[i])));
    if (element > tolerances[dtype].element && first == size)
      first = i;
    measure->element = fmax(measure->element, element);
    measure->difference += difference * difference;
    measure->reference += reference[i] * reference[i];
  }
  measure->rows++;
  return first;
}

bool measure_lse(struct measure *measure, double reference, uint32_t dtype, float lse) {
  bool is_same = (double)lse == reference; /* covers -infinity */
  double off = is_same ? 0 : deviation((double)lse - reference, fmax(1, fabs(reference)));
  measure->lse = fmax(measure->lse, off);
  return off <= tolerances[dtype].lse;
}

void measure_merge(struct measure *into, const struct measure *from) {
  into->difference += from->difference;
  into->reference += from->reference;
  into->element = fmax(into->element, from->element);
  into->lse = fmax(into->lse, from->lse);
  into->rows += from->rows;
}

double measure_norm(const struct measure *measure) {
  return sqrt(deviation(measure->difference, measure->reference));
}

bool measure_passes(const struct measure *measure, uint32_t dtype) {
  const struct tolerance *tolerance = &tolerances[dtype];
  return measure_norm(measure) <= tolerance->norm && measure->element <= tolerance->element &&
         measure->lse <= tolerance->lse;
}
