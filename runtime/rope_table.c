/*
 * fi_rope_table. All is computed in long double and rounded well above its last place, so that the C library of a
 * machine does not show in the entries.
 */
#include "generator/abi.h"
#include "generator/error.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { ENTRY_BITS = 48, MOST_DIM = 576 };

static const long double two_pi = 6.283185307179586476925286766559005768L;

/* ------------------------------------------------------------------------------------------ what is given */

/* Sets of scalings. */
enum {
  NONE = 1 << FI_SCALING_NONE,
  LINEAR = 1 << FI_SCALING_LINEAR,
  LLAMA3 = 1 << FI_SCALING_LLAMA3,
  YARN = 1 << FI_SCALING_YARN,
  LONGROPE = 1 << FI_SCALING_LONGROPE,
  DYNAMIC = 1 << FI_SCALING_DYNAMIC,
  PROPORTIONAL = 1 << FI_SCALING_PROPORTIONAL,
  SCALED = LINEAR | LLAMA3 | YARN | LONGROPE | DYNAMIC | PROPORTIONAL,
  ALL = NONE | SCALED
};

#define NUMBER(field, scalings, above, fallback, allowed)                                                              \
  { #field, offsetof(fi_rope, field), scalings, above, fallback, allowed }

/* A number is finite and above a bound, or 0 for its fallback; below 0 there is none. */
static const struct number_rule {
  const char *name;
  size_t offset;
  int scalings; /* that read it */
  double above;
  double fallback;
  const char *allowed;
} number_rules[] = {
    NUMBER(theta, ALL, 1, 10000, "0 (10000) or above 1"),
    NUMBER(factor, SCALED, 0, 1, "0 (1) or positive"),
    NUMBER(context, LLAMA3 | YARN | LONGROPE | DYNAMIC, 1, -1, "above 1"),
    NUMBER(low_frequency, LLAMA3, 0, 1, "0 (1) or positive"),
    NUMBER(high_frequency, LLAMA3, 0, 4, "0 (4) or positive"),
    NUMBER(beta_fast, YARN, 0, 32, "0 (32) or positive"),
    NUMBER(beta_slow, YARN, 0, 1, "0 (1) or positive"),
    NUMBER(mscale, YARN, 0, 0, "0 (not given) or positive"),
    NUMBER(mscale_all_dim, YARN, 0, 0, "0 (not given) or positive"),
    NUMBER(attention_factor, ALL, 0, 0, "0 (that of the formula) or positive"),
};

static fi_status refuse_number(const char *name, double value, const char *allowed) {
  return error_set(FI_ERROR_ARGUMENT, "rope.%s is %.10g; it must be %s", name, value, allowed);
}

static fi_status refuse_count(const char *name, uint32_t value, const char *allowed, uint32_t most) {
  return error_set(FI_ERROR_ARGUMENT, "rope.%s is %u; it must be %s%u", name, value, allowed, most);
}

/* Puts the fallback where a number is 0. */
static fi_status resolve_number(const struct number_rule *rule, fi_rope *rope) {
  double value;
  char *const field = (char *)rope + rule->offset;
  memcpy(&value, field, sizeof value);
  if (!(rule->scalings >> rope->scaling & 1))
    return FI_OK;
  if (value == 0 && rule->fallback >= 0)
    value = rule->fallback;
  else if (!(value > rule->above && value <= DBL_MAX))
    return refuse_number(rule->name, value, rule->allowed);
  memcpy(field, &value, sizeof value);
  return FI_OK;
}

static fi_status resolve_numbers(fi_rope *rope) {
  fi_status status = FI_OK;
  for (size_t i = 0; i < sizeof number_rules / sizeof *number_rules && !status; i++)
    status = resolve_number(&number_rules[i], rope);
  if (!status && rope->scaling == FI_SCALING_LLAMA3 && rope->high_frequency < rope->low_frequency)
    status = refuse_number("high_frequency", rope->high_frequency, "at least rope.low_frequency");
  if (!status && rope->scaling == FI_SCALING_YARN && rope->beta_fast < rope->beta_slow)
    status = refuse_number("beta_fast", rope->beta_fast, "at least rope.beta_slow");
  return status;
}

static fi_status check_counts(const fi_rope *rope) {
  if (rope->dim < 2 || rope->dim > MOST_DIM || rope->dim % 2)
    return refuse_count("dim", rope->dim, "even, 2 to ", MOST_DIM);
  if (rope->scaling > FI_SCALING_PROPORTIONAL)
    return refuse_count("scaling", rope->scaling, "0 to ", FI_SCALING_PROPORTIONAL);
  if (rope->no_truncation > 1)
    return refuse_count("no_truncation", rope->no_truncation, "0 or ", 1);
  if (rope->section_order > FI_SECTIONS_ALTERNATING)
    return refuse_count("section_order", rope->section_order, "0 to ", FI_SECTIONS_ALTERNATING);
  if (rope->turning_pairs > rope->dim / 2)
    return refuse_count("turning_pairs", rope->turning_pairs, "0 (all) to ", rope->dim / 2);
  if ((LONGROPE | DYNAMIC) >> rope->scaling & 1 && rope->max_tokens == 0)
    return refuse_count("max_tokens", 0, "the longest request that is served, at least ", 1);
  return FI_OK;
}

static bool has_sections(const fi_rope *rope) {
  return rope->sections[0] || rope->sections[1] || rope->sections[2];
}

/* The last pair that an order gives to height or width must be there. */
static bool is_within(const fi_rope *rope) {
  const uint32_t *sections = rope->sections;
  const uint32_t pairs = rope->dim / 2;
  if (rope->section_order == FI_SECTIONS_ALTERNATING)
    return sections[1] == sections[2];
  if (rope->section_order == FI_SECTIONS_CONTIGUOUS)
    return true;
  return (sections[1] == 0 || 3 * sections[1] - 2 < pairs) && (sections[2] == 0 || 3 * sections[2] - 1 < pairs);
}

static fi_status check_sections(const fi_rope *rope) {
  static const char *const allowed[] = {"", ", height and width within the first pairs of every three",
                                        ", as many of height as of width"};
  const uint32_t *sections = rope->sections;
  const uint64_t sum = (uint64_t)sections[0] + sections[1] + sections[2];
  if (!has_sections(rope) || (sum == rope->dim / 2 && is_within(rope)))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "rope.sections are %u, %u and %u; they must add up to dim / 2, %u%s", sections[0],
                   sections[1], sections[2], rope->dim / 2, allowed[rope->section_order]);
}

static fi_status check_factors(const fi_rope *rope, const char *name, const double *factors) {
  if (!factors)
    return error_set(FI_ERROR_ARGUMENT, "rope.%s is NULL; longrope needs it", name);
  for (uint32_t i = 0; i < rope->dim / 2; i++) {
    if (!(factors[i] > 0 && factors[i] <= DBL_MAX))
      return error_set(FI_ERROR_ARGUMENT, "rope.%s[%u] is %.10g; it must be positive and finite", name, i, factors[i]);
  }
  return FI_OK;
}

static fi_status check_frequencies(const fi_rope *rope) {
  if (rope->frequencies && rope->scaling != FI_SCALING_NONE)
    return error_set(FI_ERROR_ARGUMENT, "rope.frequencies is given with rope.scaling %u; it must be NULL, or scaling 0",
                     rope->scaling);
  for (uint32_t i = 0; rope->frequencies && i < rope->dim / 2; i++) {
    if (!isfinite(rope->frequencies[i]))
      return error_set(FI_ERROR_ARGUMENT, "rope.frequencies[%u] is %g; it must be finite", i,
                       (double)rope->frequencies[i]);
  }
  return FI_OK;
}

static fi_status check_lists(const fi_rope *rope) {
  fi_status status = check_frequencies(rope);
  if (!status)
    status = check_sections(rope);
  if (!status && rope->scaling == FI_SCALING_LONGROPE)
    status = check_factors(rope, "short_factors", rope->short_factors);
  if (!status && rope->scaling == FI_SCALING_LONGROPE)
    status = check_factors(rope, "long_factors", rope->long_factors);
  return status;
}

/* -------------------------------------------------------------------------------------------- the formulas */

/* What frequencies of a scaling have in common. */
struct formula {
  const fi_rope *rope; /* without zeros that stand for something else */
  long double theta;
  long double factor;
  long double ramp_begin; /* of yarn, in pairs */
  long double ramp_end;
};

static long double plain(const struct formula *formula, uint32_t pair) {
  return powl(formula->theta, -2.0L * pair / formula->rope->dim);
}

static long double frequency_none(const struct formula *formula, uint32_t pair) {
  const float *frequencies = formula->rope->frequencies;
  return frequencies ? (long double)frequencies[pair] : plain(formula, pair);
}

static long double frequency_linear(const struct formula *formula, uint32_t pair) {
  return plain(formula, pair) / formula->factor;
}

static long double frequency_llama3(const struct formula *formula, uint32_t pair) {
  const long double low = formula->rope->low_frequency;
  const long double high = formula->rope->high_frequency;
  const long double frequency = plain(formula, pair);
  const long double turns = formula->rope->context * frequency / two_pi; /* over the context: C / w */
  if (turns < low)
    return frequency / formula->factor;
  if (turns >= high) /* and when there is nothing between the two */
    return frequency;
  const long double kept = (turns - low) / (high - low);
  return (1 - kept) * frequency / formula->factor + kept * frequency;
}

static long double frequency_yarn(const struct formula *formula, uint32_t pair) {
  const long double along = (pair - formula->ramp_begin) / (formula->ramp_end - formula->ramp_begin);
  const long double scaled = fminl(fmaxl(along, 0), 1);
  return plain(formula, pair) * (1 - scaled + scaled / formula->factor);
}

static bool is_long(const fi_rope *rope) {
  return rope->max_tokens > rope->context;
}

static long double frequency_longrope(const struct formula *formula, uint32_t pair) {
  const fi_rope *rope = formula->rope;
  return plain(formula, pair) / (is_long(rope) ? rope->long_factors : rope->short_factors)[pair];
}

static long double frequency_proportional(const struct formula *formula, uint32_t pair) {
  const uint32_t turning = formula->rope->turning_pairs;
  return turning > 0 && pair >= turning ? 0 : plain(formula, pair) / formula->factor;
}

static long double (*const frequency_of[])(const struct formula *formula, uint32_t pair) = {
    [FI_SCALING_NONE] = frequency_none,
    [FI_SCALING_LINEAR] = frequency_linear,
    [FI_SCALING_LLAMA3] = frequency_llama3,
    [FI_SCALING_YARN] = frequency_yarn,
    [FI_SCALING_LONGROPE] = frequency_longrope,
    [FI_SCALING_DYNAMIC] = plain,
    [FI_SCALING_PROPORTIONAL] = frequency_proportional,
};

/* The pair that turns so often over the context. */
static long double pair_of_turns(const fi_rope *rope, long double turns) {
  return rope->dim * logl(rope->context / (two_pi * turns)) / (2 * logl(rope->theta));
}

static void find_ramp(struct formula *formula) {
  const fi_rope *rope = formula->rope;
  const long double begin = pair_of_turns(rope, rope->beta_fast);
  const long double end = pair_of_turns(rope, rope->beta_slow);
  formula->ramp_begin = fmaxl(rope->no_truncation ? begin : floorl(begin), 0);
  formula->ramp_end = fminl(rope->no_truncation ? end : ceill(end), rope->dim - 1.0L);
  if (formula->ramp_begin == formula->ramp_end)
    formula->ramp_end += 0.001L;
}

/* Dims of 2 have no other frequency than 1. */
static long double stretched_theta(const fi_rope *rope) {
  if (!is_long(rope) || rope->dim == 2)
    return rope->theta;
  const long double stretch = rope->factor * (long double)rope->max_tokens / rope->context - (rope->factor - 1);
  return rope->theta * powl(stretch, rope->dim / (rope->dim - 2.0L));
}

static struct formula make_formula(const fi_rope *rope) {
  struct formula formula = {.rope = rope, .theta = rope->theta, .factor = rope->factor};
  if (rope->scaling == FI_SCALING_YARN)
    find_ramp(&formula);
  if (rope->scaling == FI_SCALING_DYNAMIC)
    formula.theta = stretched_theta(rope);
  return formula;
}

/* ------------------------------------------------------------------------------------------- the results */

static long double yarn_magnitude(double factor, double mscale) {
  return factor > 1 ? 1 + 0.1L * mscale * logl(factor) : 1;
}

static long double magnitude_of(const fi_rope *rope) {
  if (rope->attention_factor > 0)
    return rope->attention_factor;
  if (rope->scaling == FI_SCALING_LONGROPE && rope->factor > 1)
    return sqrtl(1 + logl(rope->factor) / logl(rope->context));
  if (rope->scaling != FI_SCALING_YARN)
    return 1;
  if (rope->mscale > 0 && rope->mscale_all_dim > 0)
    return yarn_magnitude(rope->factor, rope->mscale) / yarn_magnitude(rope->factor, rope->mscale_all_dim);
  return yarn_magnitude(rope->factor, 1);
}

/* The number of the position that turns a pair. */
static uint32_t axis_of(const fi_rope *rope, uint32_t pair) {
  const uint32_t *sections = rope->sections;
  if (!has_sections(rope))
    return 0;
  if (rope->section_order == FI_SECTIONS_INTERLEAVED)
    return pair % 3 > 0 && pair < 3 * sections[pair % 3] ? pair % 3 : 0;
  if (rope->section_order == FI_SECTIONS_ALTERNATING)
    return pair < 2 * sections[1] ? 1 + pair % 2 : 0;
  return pair < sections[0] ? 0 : pair < sections[0] + sections[1] ? 1 : 2;
}

/* An angle that turns back is one that turns by the rest. */
static uint64_t entry_of(long double frequency) {
  const long double turns = frequency / two_pi;
  const long double part = turns - floorl(turns);
  return (uint64_t)roundl(ldexpl(part, ENTRY_BITS)) << (64 - ENTRY_BITS);
}

static fi_status set_magnitude(const fi_rope *rope, float *magnitude) {
  const long double value = magnitude_of(rope);
  if (!(value >= (long double)FLT_MIN && value <= (long double)FLT_MAX))
    return error_set(FI_ERROR_ARGUMENT,
                     "rope.attention_factor is %g, which makes the magnitude %Lg; it must be a positive float",
                     rope->attention_factor, value);
  *magnitude = (float)value;
  return FI_OK;
}

fi_status fi_rope_table(const fi_rope *rope, uint64_t *table, float *magnitude) {
  fi_status status = abi_check(ABI_rope, rope);
  if (status)
    return status;
  if (!table || !magnitude)
    return error_set(FI_ERROR_ARGUMENT, "%s is NULL", table ? "magnitude" : "table");
  fi_rope resolved = *rope;
  status = check_counts(rope);
  if (!status)
    status = resolve_numbers(&resolved);
  if (!status)
    status = check_lists(rope);
  if (!status)
    status = set_magnitude(&resolved, magnitude);
  if (status)
    return status;
  const struct formula formula = make_formula(&resolved);
  for (uint32_t pair = 0; pair < rope->dim / 2; pair++)
    table[pair] = entry_of(frequency_of[rope->scaling](&formula, pair)) | axis_of(rope, pair);
  return FI_OK;
}
