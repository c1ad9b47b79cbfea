/*
 * The table of rotary frequencies, in turns per token as 64-bit fractions: the product with a position wraps
 * as the angle does, so that no position loses precision.
 *
 * An entry is rounded to a multiple of 2^-48 turns, well above the last place of any long double, so that the
 * C library does not show in the text. At position p the angle is off by at most p * 2^-49 turns: 2^-29
 * turns, or 1.2e-8 radians, at 2^20.
 */
#include "emit.h"

#include <math.h>
#include <stdint.h>

enum { ENTRY_BITS = 48, COLUMNS = 4 };

static const long double TWO_PI = 6.283185307179586476925286766559005768L;

/*
 * The scaling of Llama 3.1: low frequencies are divided by the factor, high ones kept, others in between, of
 * which there are none when low and high are equal.
 */
static long double scale_llama3(const fi_spec *spec, long double frequency) {
  const long double factor = spec->rope_factor / 1000.0L;
  const long double low = spec->rope_low_frequency / 1000.0L;
  const long double high = spec->rope_high_frequency / 1000.0L;
  const long double turns = spec->rope_context * frequency / TWO_PI; /* over the context that the model knew */
  if (turns < low)
    return frequency / factor;
  if (turns >= high)
    return frequency;
  const long double kept = (turns - low) / (high - low);
  return (1 - kept) * frequency / factor + kept * frequency;
}

static long double scaled_frequency(const fi_spec *spec, uint32_t pair) {
  const long double exponent = -2.0L * pair / spec->rope_dim;
  const long double frequency = powl(spec->rope_theta, exponent);
  switch (spec->rope_scaling) {
  case FI_SCALING_LINEAR:
    return frequency * 1000 / spec->rope_factor;
  case FI_SCALING_LLAMA3:
    return scale_llama3(spec, frequency);
  default:
    return frequency;
  }
}

/* Frequencies are at most 1 radian per token, so the entry is far below one turn. */
static uint64_t turns_per_token(const fi_spec *spec, uint32_t pair) {
  const long double turns = scaled_frequency(spec, pair) / TWO_PI;
  return (uint64_t)roundl(ldexpl(turns, ENTRY_BITS)) << (64 - ENTRY_BITS);
}

void emit_rope_table(const struct facts *facts, struct text *text) {
  const uint32_t pairs = facts->spec->rope_dim / 2;
  text_print(text, "/* Turns per token of each rotated pair, in units of 2^-64. */\n"
                   "__constant__ unsigned long long kTurnsPerToken[kRopeDim / 2] = {");
  for (uint32_t pair = 0; pair < pairs; pair++) {
    const char *space = pair % COLUMNS == 0 ? "\n    " : " ";
    text_print(text, "%s0x%016llxull,", space, (unsigned long long)turns_per_token(facts->spec, pair));
  }
  text_print(text, "\n};\n");
}
