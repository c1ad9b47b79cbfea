/* The table of rotary frequencies against the formulas of flashjit.h, in plain double arithmetic. */
#include "generator/emit.h"
#include "generator/spec.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TURN = 6.283185307179586;

static double expected_frequency(const fi_spec *spec, uint32_t pair) {
  const double frequency = pow(spec->rope_theta, -2.0 * pair / spec->rope_dim);
  const double factor = spec->rope_factor / 1000.0;
  if (spec->rope_scaling == FI_SCALING_NONE)
    return frequency;
  if (spec->rope_scaling == FI_SCALING_LINEAR)
    return frequency / factor;
  const double wavelength = TURN / frequency;
  const double low = spec->rope_low_frequency / 1000.0;
  const double high = spec->rope_high_frequency / 1000.0;
  if (wavelength < spec->rope_context / high)
    return frequency;
  if (wavelength > spec->rope_context / low)
    return frequency / factor;
  const double smooth = (spec->rope_context / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

static void check_table(const char *spec_text) {
  fi_spec spec;
  fi_spec canonical;
  cr_assert_eq(fi_spec_parse(spec_text, &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  struct text text = {0};
  emit_rope_table(&(struct facts){.spec = &canonical}, &text);
  const char *at = strchr(text.data, '{');
  for (uint32_t pair = 0; pair < canonical.rope_dim / 2; pair++) {
    at = strstr(at, "0x");
    cr_assert_not_null(at, "%s: %u entries", spec_text, pair);
    char *end;
    const uint64_t entry = strtoull(at, &end, 16);
    cr_assert_eq(strncmp(end, "ull,", 4), 0);
    const double turns = expected_frequency(&canonical, pair) / TURN;
    cr_expect_lt(fabs((double)entry * 0x1p-64 - turns), 0x1p-49 + turns * 1e-14, "%s: pair %u", spec_text, pair);
    cr_expect_eq(entry % (UINT64_C(1) << 16), 0, "%s: pair %u", spec_text, pair);
    at = end;
  }
  cr_assert_null(strstr(at, "0x"), "%s: too many entries", spec_text);
  text_free(&text);
}

Test(rope_table, matches_the_formulas) {
  check_table("attention rope=half");
  check_table("attention rope=half hd=64 theta=500000");
  check_table("attention rope=interleaved hd=256 rope_dim=64 theta=10000000");
  check_table("append rope=half theta=2");
  check_table("attention rope=half scaling=linear factor=4000");
  check_table("attention rope=half scaling=linear factor=1500 theta=1000000");
  check_table("attention rope=half theta=500000 scaling=llama3");
  check_table("attention rope=half theta=500000 scaling=llama3 factor=32000 low=1000 high=4000 context=8192 hd=64");
  check_table("append rope=half theta=10000 scaling=llama3 factor=2000 low=500 high=501 context=100");
  check_table("attention rope=interleaved theta=500000 scaling=llama3 factor=16000 low=1000 high=1000");
}

/* All three pieces of the llama3 formula must occur, or the test above shows less than it seems to. */
Test(rope_table, llama3_has_three_pieces) {
  fi_spec spec;
  fi_spec canonical;
  cr_assert_eq(fi_spec_parse("attention rope=half theta=500000 scaling=llama3", &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  uint32_t kept = 0;
  uint32_t divided = 0;
  for (uint32_t pair = 0; pair < 64; pair++) {
    const double plain = pow(500000, -2.0 * pair / 128);
    const double ratio = expected_frequency(&canonical, pair) / plain;
    kept += ratio == 1;
    divided += fabs(ratio - 0.125) < 1e-12;
  }
  cr_assert_gt(kept, 0);
  cr_assert_gt(divided, 0);
  cr_assert_lt(kept + divided, 64);
}

/* Known values: the first pair turns one radian per token whatever theta is. */
Test(rope_table, first_entry_is_one_radian) {
  fi_spec spec;
  fi_spec canonical;
  cr_assert_eq(fi_spec_parse("attention rope=half hd=32", &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  struct text text = {0};
  emit_rope_table(&(struct facts){.spec = &canonical}, &text);
  static const char beginning[] = "/* Turns per token of each rotated pair, in units of 2^-64. */\n"
                                  "__constant__ unsigned long long kTurnsPerToken[kRopeDim / 2] = {\n"
                                  "    0x28be60db93910000ull, ";
  cr_assert_eq(strncmp(text.data, beginning, strlen(beginning)), 0, "%s", text.data);
  text_free(&text);
}
