/*
 * fi_rope_table against numbers that were computed from the formulas with 60 digits, by other code, and against what
 * is known of models: gpt-oss, DeepSeek-V3, Kimi K2.
 */
#include "fakes.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MOST_PAIRS = 256, MOST_CHECKED = 9 };

static const double two_pi = 6.283185307179586;

#define ROPE(...)                                                                                                      \
  { .struct_size = sizeof(fi_rope), __VA_ARGS__ }

static double long_factors[48];
static double short_factors[48];
static const float frequencies[4] = {0.1f, -0.25f, 7.5f, 1e-9f};

static const fi_rope plain = ROPE(.dim = 128);
static const fi_rope llama =
    ROPE(.dim = 128, .scaling = FI_SCALING_LLAMA3, .theta = 500000, .factor = 8, .context = 8192);
static const fi_rope gpt_oss =
    ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .theta = 150000, .factor = 32, .context = 4096, .no_truncation = 1);

static const struct {
  fi_rope rope;
  float magnitude;
  struct {
    uint32_t pair;
    uint64_t entry; /* 0: no more */
  } entries[MOST_CHECKED];
} tables[] = {
    {ROPE(.dim = 128),
     1,
     {{0, 0x28be60db93910000}, {1, 0x234855e556440000}, {31, 0x007872b8a7ec0000}, {63, 0x00013458e2f60000}}},
    {ROPE(.dim = 64, .theta = 500000),
     1,
     {{0, 0x28be60db93910000}, {1, 0x1b099caaeb290000}, {16, 0x000ec03348930000}, {31, 0x0000080c2b350000}}},
    {ROPE(.dim = 128, .scaling = FI_SCALING_LINEAR, .factor = 2.5),
     1,
     {{0, 0x104c26be3b070000}, {3, 0x0a95518593bb0000}, {63, 0x00007b56c12f0000}}},
    {ROPE(.dim = 128, .scaling = FI_SCALING_LLAMA3, .theta = 500000, .factor = 8, .low_frequency = 1,
          .high_frequency = 4, .context = 8192),
     1, /* kept up to 28, divided from 35 on */
     {{0, 0x28be60db93910000},
      {28, 0x00217f20f7660000},
      {29, 0x001699208a800000},
      {30, 0x000e4f32ce010000},
      {34, 0x0001dca5be030000},
      {35, 0x0000ff2af3060000},
      {36, 0x0000cfdd33450000},
      {63, 0x000000d1c7f80000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_LLAMA3, .factor = 4, .low_frequency = 1, .high_frequency = 1,
          .context = 1000),
     1,
     {{0, 0x28be60db93910000}, {17, 0x004e37806b260000}, {18, 0x000ea9e081df0000}, {31, 0x00005904b9400000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .theta = 150000, .factor = 32, .context = 4096, .no_truncation = 1),
     1.34657359f, /* gpt-oss: from 8.09 to 17.4 */
     {{0, 0x28be60db93910000},
      {8, 0x0212006e33c20000},
      {9, 0x014ab3d0f3270000},
      {12, 0x0046dfbe5b2b0000},
      {17, 0x0001594dc60e0000},
      {18, 0x0000664a92ea0000},
      {31, 0x000000cead3f0000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .factor = 40, .context = 4096, .mscale = 1, .mscale_all_dim = 1),
     1, /* DeepSeek-V3: from 10 to 23 */
     {{0, 0x28be60db93910000},
      {9, 0x030e2b042f800000},
      {10, 0x024a8b144acc0000},
      {11, 0x0196db64821d0000},
      {16, 0x00395df904030000},
      {22, 0x0001dad501680000},
      {23, 0x00005904b9400000},
      {24, 0x000042c121c40000},
      {31, 0x000008e6df530000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .factor = 40, .context = 4096, .mscale = 0.707, .mscale_all_dim = 0.5),
     1.0644689f,
     {{10, 0x024a8b144acc0000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .factor = 40, .context = 4096, .mscale = 0.707),
     1.36888795f,
     {{10, 0x024a8b144acc0000}}}, /* one of the two alone does not count */
    {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .theta = 50000, .factor = 32, .context = 4096, .beta_fast = 1,
          .beta_slow = 1, .attention_factor = 1.5),
     1.5f, /* Kimi K2: a step from 19 to 20 */
     {{0, 0x28be60db93910000},
      {18, 0x0017b886b7b00000},
      {19, 0x0010ea62c22e0000},
      {20, 0x000060805e690000},
      {31, 0x000002571ad60000}}},
    {ROPE(.dim = 32, .scaling = FI_SCALING_YARN, .factor = 4, .context = 100),
     1.13862944f, /* from 0 to 5 */
     {{0, 0x28be60db93910000},
      {1, 0x13799e2c7bc60000},
      {2, 0x0904dcd803fb0000},
      {3, 0x03fc25a1060d0000},
      {5, 0x0092a2c512b30000},
      {6, 0x0052759a00240000},
      {15, 0x000076b5405a0000}}},
    {ROPE(.dim = 96, .scaling = FI_SCALING_LONGROPE, .factor = 32, .context = 4096, .max_tokens = 4097,
          .short_factors = short_factors, .long_factors = long_factors),
     1.19023807f,
     {{0, 0x28be60db93910000}, {1, 0x1ae76c1f7de30000}, {20, 0x002573de922d0000}, {47, 0x0000195f5bd60000}}},
    {ROPE(.dim = 96, .scaling = FI_SCALING_LONGROPE, .factor = 32, .context = 4096, .max_tokens = 4096,
          .short_factors = short_factors, .long_factors = long_factors),
     1.19023807f,
     {{0, 0x28be60db93910000}, {1, 0x211cd3d7fd660000}, {20, 0x00ab36429c3d0000}, {47, 0x0000ba85aa070000}}},
    {ROPE(.dim = 64, .scaling = FI_SCALING_DYNAMIC, .factor = 2, .context = 2048, .max_tokens = 8192),
     1,
     {{0, 0x28be60db93910000}, {1, 0x1cb1cba75f260000}, {16, 0x0026347c2ce60000}, {31, 0x000032de20b70000}}},
    {ROPE(.dim = 128, .scaling = FI_SCALING_DYNAMIC, .factor = 2, .context = 2048, .max_tokens = 2048),
     1,
     {{31, 0x007872b8a7ec0000}, {63, 0x00013458e2f60000}}}, /* as without */
    {ROPE(.dim = 2, .scaling = FI_SCALING_DYNAMIC, .factor = 2, .context = 2048, .max_tokens = 8192),
     1,
     {{0, 0x28be60db93910000}}},
    {ROPE(.dim = 512, .scaling = FI_SCALING_PROPORTIONAL, .theta = 1000000, .turning_pairs = 65),
     1,
     {{0, 0x28be60db93910000}, {1, 0x269a672e03630000}, {63, 0x015c207b70720000}}},
    {ROPE(.dim = 8, .frequencies = frequencies),
     1,
     {{0, 0x041309b093840000}, {1, 0xf5d067c91b1c0000}, {2, 0x3193d66ed2c00000}, {3, 0x00000000aefe0000}}},
};

static void fill_factors(void) {
  for (int i = 0; i < 48; i++) {
    long_factors[i] = 1 + i / 4.0;
    short_factors[i] = 1 + i / 64.0;
  }
}

TestSuite(rope_table, .init = fill_factors);

Test(rope_table, matches_the_formulas) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    uint64_t table[MOST_PAIRS];
    float magnitude;
    cr_assert_eq(fi_rope_table(&tables[i].rope, table, &magnitude), FI_OK, "%zu: %s", i, fi_last_error());
    cr_expect_float_eq(magnitude, tables[i].magnitude, 1e-7, "table %zu: %.9g", i, (double)magnitude);
    for (size_t n = 0; n < MOST_CHECKED && tables[i].entries[n].entry; n++) {
      const uint32_t pair = tables[i].entries[n].pair;
      cr_expect_eq(table[pair], tables[i].entries[n].entry, "table %zu, pair %u: %016llx", i, pair,
                   (unsigned long long)table[pair]);
    }
  }
}

Test(rope_table, proportional_pairs_do_not_turn) {
  const fi_rope rope = ROPE(.dim = 512, .scaling = FI_SCALING_PROPORTIONAL, .turning_pairs = 64);
  uint64_t table[MOST_PAIRS];
  float magnitude;
  cr_assert_eq(fi_rope_table(&rope, table, &magnitude), FI_OK);
  for (uint32_t pair = 0; pair < 256; pair++)
    cr_expect_eq(table[pair] != 0, pair < 64, "pair %u", pair);
}

Test(rope_table, writes_its_pairs_only) {
  const fi_rope rope = ROPE(.dim = 20);
  uint64_t table[11];
  float magnitude;
  memset(table, 0xff, sizeof table);
  cr_assert_eq(fi_rope_table(&rope, table, &magnitude), FI_OK);
  cr_expect_neq(table[9], UINT64_MAX);
  cr_expect_eq(table[10], UINT64_MAX);
}

/* Products with a position wrap as angles do: right to 1e-6 radians at a million. */
Test(rope_table, angles_at_a_million) {
  static const struct {
    const fi_rope *rope;
    uint32_t pair;
    double angle;
  } rows[] = {
      {&plain, 0, 5.92562114009},    {&plain, 1, 3.15795396038},     {&plain, 2, 2.32610587936},
      {&plain, 5, 1.81430352362},    {&plain, 10, 3.67388790075},    {&plain, 20, 5.90720508479},
      {&plain, 29, 5.46125800493},   {&plain, 31, 5.60843760568},    {&llama, 0, 5.92562114009},
      {&llama, 1, 2.25878071132},    {&llama, 2, 2.62147831642},     {&llama, 5, 4.32500848577},
      {&llama, 10, 1.4551563054},    {&llama, 20, 4.24679657624},    {&llama, 29, 5.15501783358},
      {&llama, 31, 2.23821114321},   {&gpt_oss, 0, 5.92562114009},   {&gpt_oss, 1, 5.0723616211},
      {&gpt_oss, 2, 5.72411048962},  {&gpt_oss, 5, 2.6486910056},    {&gpt_oss, 10, 1.63993634877},
      {&gpt_oss, 20, 5.62196606733}, {&gpt_oss, 29, 0.636820914616}, {&gpt_oss, 31, 0.302351142812},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint64_t table[MOST_PAIRS];
    float magnitude;
    cr_assert_eq(fi_rope_table(rows[i].rope, table, &magnitude), FI_OK);
    const double angle = (double)(UINT64_C(1000000) * table[rows[i].pair]) * 0x1p-64 * two_pi;
    cr_expect_lt(fabs(angle - rows[i].angle), 2e-8, "row %zu: %.12g", i, angle);
  }
}

/* Which position turns each pair. */
Test(rope_table, sections) {
  static const struct {
    fi_rope rope;
    const char *axes; /* a digit a pair */
  } rows[] = {
      {ROPE(.dim = 16, .sections = {2, 3, 3}), "00111222"},
      {ROPE(.dim = 64, .sections = {11, 11, 10}, .section_order = FI_SECTIONS_INTERLEAVED),
       "01201201201201201201201201201201"},
      {ROPE(.dim = 24, .sections = {8, 3, 1}, .section_order = FI_SECTIONS_INTERLEAVED), "012010010000"},
      {ROPE(.dim = 16, .sections = {2, 3, 3}, .section_order = FI_SECTIONS_ALTERNATING), "12121200"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const fi_rope same = ROPE(.dim = rows[i].rope.dim);
    uint64_t table[MOST_PAIRS];
    uint64_t without[MOST_PAIRS];
    float magnitude;
    cr_assert_eq(fi_rope_table(&rows[i].rope, table, &magnitude), FI_OK, "%zu: %s", i, fi_last_error());
    cr_assert_eq(fi_rope_table(&same, without, &magnitude), FI_OK);
    for (uint32_t pair = 0; pair < rows[i].rope.dim / 2; pair++)
      cr_expect_eq(table[pair], without[pair] + (uint64_t)(rows[i].axes[pair] - '0'), "row %zu, pair %u", i, pair);
  }
}

/* ------------------------------------------------------------------------------------------ bad input */

Test(rope_table, refuses_with_field_value_and_what_is_allowed) {
  static double bad_factors[48];
  static const float bad_frequencies[] = {1, NAN};
  const struct {
    fi_rope rope;
    const char *why;
  } rows[] = {
      {ROPE(.dim = 0), "rope.dim is 0; it must be even, 2 to 576"},
      {ROPE(.dim = 7), "rope.dim is 7; it must be even, 2 to 576"},
      {ROPE(.dim = 578), "rope.dim is 578; it must be even, 2 to 576"},
      {ROPE(.dim = 64, .scaling = 7), "rope.scaling is 7; it must be 0 to 6"},
      {ROPE(.dim = 64, .theta = 1), "rope.theta is 1; it must be 0 (10000) or above 1"},
      {ROPE(.dim = 64, .theta = NAN), "rope.theta is nan; it must be 0 (10000) or above 1"},
      {ROPE(.dim = 64, .theta = INFINITY), "rope.theta is inf; it must be 0 (10000) or above 1"},
      {ROPE(.dim = 64, .attention_factor = -2), "rope.attention_factor is -2; it must be 0 (that of the formula) or"},
      {ROPE(.dim = 64, .attention_factor = 1e300),
       "rope.attention_factor is 1e+300, which makes the magnitude 1e+300;"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_LINEAR, .factor = -1), "rope.factor is -1; it must be 0 (1) or positive"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_LLAMA3), "rope.context is 0; it must be above 1"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_LLAMA3, .context = 9, .low_frequency = NAN),
       "rope.low_frequency is nan; it must be 0 (1) or positive"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_LLAMA3, .context = 9, .low_frequency = 5),
       "rope.high_frequency is 4; it must be at least rope.low_frequency"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .context = 9, .beta_fast = 0.5),
       "rope.beta_fast is 0.5; it must be at least rope.beta_slow"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .context = 9, .beta_slow = -3), "rope.beta_slow is -3; it must be"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .context = 9, .mscale = -1), "rope.mscale is -1; it must be 0 (not"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_YARN, .context = 9, .no_truncation = 2),
       "rope.no_truncation is 2; it must be 0 or 1"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_PROPORTIONAL, .turning_pairs = 33),
       "rope.turning_pairs is 33; it must be 0 (all) to 32"},
      {ROPE(.dim = 64, .scaling = FI_SCALING_DYNAMIC, .context = 9), "rope.max_tokens is 0; it must be the longest"},
      {ROPE(.dim = 96, .scaling = FI_SCALING_LONGROPE, .context = 9, .max_tokens = 9, .long_factors = long_factors),
       "rope.short_factors is NULL; longrope needs it"},
      {ROPE(.dim = 96, .scaling = FI_SCALING_LONGROPE, .context = 9, .max_tokens = 9, .short_factors = short_factors,
            .long_factors = bad_factors),
       "rope.long_factors[0] is 0; it must be positive and finite"},
      {ROPE(.dim = 128, .sections = {16, 24, 20}), "rope.sections are 16, 24 and 20; they must add up to dim / 2, 64"},
      {ROPE(.dim = 12, .sections = {2, 3, 1}, .section_order = FI_SECTIONS_INTERLEAVED),
       "rope.sections are 2, 3 and 1; they must add up to dim / 2, 6, height and width within"},
      {ROPE(.dim = 12, .sections = {1, 3, 2}, .section_order = FI_SECTIONS_ALTERNATING),
       "rope.sections are 1, 3 and 2; they must add up to dim / 2, 6, as many of height as of width"},
      {ROPE(.dim = 12, .section_order = 3), "rope.section_order is 3; it must be 0 to 2"},
      {ROPE(.dim = 4, .frequencies = bad_frequencies), "rope.frequencies[1] is nan; it must be finite"},
      {ROPE(.dim = 8, .frequencies = frequencies, .scaling = FI_SCALING_LINEAR),
       "rope.frequencies is given with rope.scaling 1; it must be NULL, or scaling 0"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint64_t table[MOST_PAIRS] = {7};
    float magnitude;
    cr_expect_eq(fi_rope_table(&rows[i].rope, table, &magnitude), FI_ERROR_ARGUMENT, "%zu", i);
    cr_expect_eq(strncmp(fi_last_error(), rows[i].why, strlen(rows[i].why)), 0, "%zu: %s", i, fi_last_error());
    cr_expect_eq(table[0], 7, "%zu: nothing is written", i);
  }
}

Test(rope_table, needs_its_pointers_and_its_size) {
  fi_rope rope = plain;
  uint64_t table[MOST_PAIRS];
  float magnitude;
  cr_expect_eq(fi_rope_table(NULL, table, &magnitude), FI_ERROR_ARGUMENT);
  cr_expect_eq(fi_rope_table(&rope, NULL, &magnitude), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "table is NULL");
  cr_expect_eq(fi_rope_table(&rope, table, NULL), FI_ERROR_ARGUMENT);
  rope.struct_size--;
  cr_expect_eq(fi_rope_table(&rope, table, &magnitude), FI_ERROR_ABI);
}
