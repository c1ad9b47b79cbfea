/* Which tile and which family are taken for a spec, and which specs are refused. */
#include "generator/family.h"
#include "generator/spec.h"
#include "generator/tile_choice.h"
#include "tile_text.h"

#include <criterion/criterion.h>
#include <string.h>

enum { KIB = 1024 };

Test(tile_choice, is_of_the_faster_family) {
  static const struct {
    const char *spec;
    const char *target;
    uint32_t family;
  } cases[] = {
      {"attention rows=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128", "sm_120a", FI_FAMILY_MMA},
      {"attention rows=64", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=64", "sm_120a", FI_FAMILY_MMA},
      {"attention rows=32", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=64 rows=64 page=16", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=136 rows=64", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=64 page=1", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=64 kv=e4m3", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=64 page=16 prefixes=1", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 page=16", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 page=24", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 page=1", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma rows=128 page=1", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 page=1044", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 kv=e4m3", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=64 rows=128 kv=e4m3", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 kv=int8 scale=token", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 select=1", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 page=16 prefixes=1", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma rows=128 kv=e4m3", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma rows=128 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 left=1024", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 left=1024 chunk=256", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 page=1 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=mma rows=128", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=128 page=64 v_source=keys", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=576 v_dim=512 group=128 page=64 v_source=keys", "sm_120a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=64 page=16 v_source=keys", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=576 v_dim=512 group=64 page=1 v_source=keys", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=512 group=64 page=64 v_source=keys", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=576 v_dim=512 group=128 page=64 v_source=keys select=1", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=512 group=128 page=1 v_source=keys select=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=576 v_dim=512 group=128 page=64 v_source=keys select=1", "sm_120a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=16 page=64 v_source=keys select=1", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=512 group=64 page=64 left=128 v_source=keys select=1 second=64", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=328 v_dim=256 group=64 page=64 v_source=keys", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=16 v_source=keys", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=16 rows=64 v_source=keys", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=320 v_dim=256 group=127 v_source=keys", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=320 v_dim=192 group=64 v_source=keys", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=576 v_dim=512 group=64 kv=e4m3 v_source=keys", "sm_90a", FI_FAMILY_MMA},
      {"attention family=wgmma hd=512 group=8 rows=128 page=16", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma hd=512 group=8 rows=64 q=f16", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma hd=512 group=128 page=1056", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma v_dim=512 group=5 rows=128 page=8", "sm_90a", FI_FAMILY_WGMMA},
      {"attention hd=512 group=8 rows=128 page=16", "sm_120a", FI_FAMILY_MMA},
      {"attention hd=512 group=8 rows=128 page=16", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma hd=512 group=8 rows=128 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3 page=8", "compute_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3 left=512 chunk=512", "sm_90a", FI_FAMILY_WGMMA},
      {"attention family=wgmma rows=128 q=e4m3 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3", "sm_80", FI_FAMILY_MMA},
      {"attention rows=128 q=e4m3", "sm_120a", FI_FAMILY_MMA},
      {"attention rows=64 q=e4m3", "sm_90a", FI_FAMILY_MMA},
      {"attention hd=72 rows=128 q=e4m3", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 q=e4m3 page=4", "sm_90a", FI_FAMILY_MMA},
      {"attention v_dim=160 rows=128 q=e4m3", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 q=e4m3 left=128", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3 chunk=256", "sm_90a", FI_FAMILY_WGMMA},
      {"attention rows=128 q=e4m3 rope=half", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 q=e4m3 kv=bf16", "sm_90a", FI_FAMILY_MMA},
      {"attention rows=128 q=e4m3 v=int4", "sm_90a", FI_FAMILY_MMA},
      {"attention family=mma rows=128 q=e4m3", "sm_90a", FI_FAMILY_MMA},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tile tile = tile_of(cases[i].spec, cases[i].target);
    cr_expect_eq(tile.family->number, cases[i].family, "%s on %s", cases[i].spec, cases[i].target);
  }
}

/* Steps are of one size that holds what a tile sees; where one step is the window there are more CTAs. */
Test(tile_choice, fits_short_spans) {
  static const struct {
    const char *spec;
    uint32_t team_tokens;
    uint32_t stages;
    uint32_t ctas_per_sm;
  } cases[] = {
      {"attention hd=64 group=8 rows=128 page=16 left=128 sinks=1", 80, 4, 1}, /* 24 query tokens see 151 */
      {"attention hd=64 group=8 rows=128 left=511", 112, 4, 1},
      {"attention hd=64 group=8 rows=128 left=512", 128, 4, 1},
      {"attention hd=64 group=8 rows=128 left=4", 32, 4, 1},
      {"attention group=4 rows=128 page=16 chunk=256", 96, 2, 1},
      {"attention group=4 rows=128 mask=none left=64 right=64", 80, 2, 1},
      {"attention group=4 rows=128 mask=none left=64", 128, 2, 1}, /* all that comes after is seen */
      {"attention group=4 rows=128 left=128 bits=1", 96, 2, 1},
      {"attention hd=64 group=8 rows=16 page=16", 32, 3, 2},
      {"attention hd=64 group=8 rows=16 page=16 left=128", 32, 2, 3},
      {"attention hd=64 group=8 rows=16 page=16 left=129", 32, 3, 2},
      {"attention group=8 rows=16 page=16 left=128", 16, 3, 2},
      {"attention group=8 rows=16 page=16 chunk=64", 16, 2, 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tile tile = tile_of(cases[i].spec, "sm_90a");
    cr_expect_eq(tile.team_tokens, cases[i].team_tokens, "%s: %u", cases[i].spec, tile.team_tokens);
    cr_expect_eq(tile.stages, cases[i].stages, "%s: %u", cases[i].spec, tile.stages);
    cr_expect_eq(tile.ctas_per_sm, cases[i].ctas_per_sm, "%s: %u", cases[i].spec, tile.ctas_per_sm);
  }
}

/* KV leaves L2 first where whole lines of it are read by one CTA at one time. */
Test(tile_choice, keeps_kv_in_l2_that_is_read_again) {
  static const struct {
    const char *spec;
    const char *target;
    uint32_t reads_once;
  } cases[] = {
      {"attention group=4 rows=16 page=16", "sm_90a", 1},
      {"attention hd=64 group=8 rows=16", "sm_90a", 1},
      {"attention hd=256 rows=16", "sm_120a", 1},
      {"attention group=4 rows=16", "sm_80", 0},
      {"attention hd=96 rows=16", "sm_90a", 0},
      {"attention v_dim=96 rows=16", "sm_90a", 0},
      {"attention rows=16 kv=int4", "sm_90a", 0},
      {"attention rows=16 kv=e4m3", "sm_90a", 0},
      {"attention rows=64 family=mma", "sm_90a", 0},
      {"attention rows=16 page=16 prefixes=1", "sm_90a", 0},
      {"attention rows=16 page=16 select=16", "sm_90a", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tile tile = tile_of(cases[i].spec, cases[i].target);
    cr_expect_eq(number(&tile, "reads_once"), cases[i].reads_once, "%s", cases[i].spec);
  }
}

/* Weights become e4m3 where products of it are faster: not in tiles that wait for memory, nor where f16 is. */
Test(tile_choice, multiplies_e4m3_where_that_is_faster) {
  static const struct {
    const char *spec;
    const char *target;
    bool is_narrow;
  } cases[] = {
      {"attention rows=128 q=e4m3", "sm_89", true},
      {"attention rows=64 q=e4m3 left=64", "compute_89", true},
      {"attention rows=64 q=e4m3 page=1", "sm_120a", true},
      {"attention rows=128 q=e4m3", "sm_90a", true},
      {"attention hd=32 v_dim=256 rows=64 q=e4m3", "sm_89", true},
      {"attention rows=64 q=e4m3", "sm_90a", false},
      {"attention rows=128 q=e4m3", "sm_100a", false},
      {"attention rows=128 q=e4m3", "sm_86", false},
      {"attention rows=32 q=e4m3", "sm_89", false},
      {"attention rows=16 q=e4m3", "sm_120a", false},
      {"attention rows=64 q=f16 kv=e4m3", "sm_89", false},
      {"attention rows=64 q=e4m3 v=int4", "sm_89", false},
      {"attention rows=64 q=e4m3 kv=e5m2", "sm_89", false},
      {"attention rows=64 q=e4m3 rope=half", "sm_89", false},
      {"attention rows=64 q=e4m3 select=1", "sm_89", false},
      {"attention rows=64 q=e4m3 page=16 prefixes=1", "sm_89", false},
      {"attention hd=80 rows=64 q=e4m3", "sm_89", false},
      {"attention hd=64 v_dim=72 rows=64 q=e4m3", "sm_89", false},
      {"attention hd=512 rows=64 q=e4m3", "sm_89", false},
      {"attention hd=128 v_dim=64 rows=64 q=e4m3 v_source=keys", "sm_89", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tile tile = tile_of(cases[i].spec, cases[i].target);
    cr_expect_eq(number(&tile, "weight_exponent"), cases[i].is_narrow ? 8 : 0, "%s on %s", cases[i].spec,
                 cases[i].target);
  }
}

Test(tile_choice, that_cannot_hold_a_group_is_refused) {
  const struct target small = {.name = "sm_small", .shared_per_block = 20 * KIB, .shared_per_sm = 2 * 21 * KIB};
  fi_spec spec;
  fi_spec canonical;
  struct tile tile;
  cr_assert_eq(fi_spec_parse("attention hd=128 group=64", &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_expect_eq(tile_plan(&canonical, &small, 0, &tile), FI_ERROR_UNSUPPORTED);
  cr_expect_str_eq(
      fi_last_error(),
      "group=64, of which a tile has 1 or more, with head_dim=128 has no tile that fits a CTA on sm_small, with 20480 "
      "bytes of shared memory");
}

/* It tells of what the tiles of Q's type need. */
Test(tile_choice, of_wgmma_that_there_is_not_is_refused) {
  static const char *const specs[] = {
      "attention family=wgmma hd=72 rows=128 q=e4m3",     "attention family=wgmma rows=128 q=e4m3 page=4",
      "attention family=wgmma v_dim=160 rows=128 q=e4m3", "attention family=wgmma rows=128 q=e4m3 rope=half",
      "attention family=wgmma rows=128 q=e4m3 kv=bf16",
  };
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    fi_spec spec;
    cr_assert_eq(fi_spec_parse(specs[i], &spec), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fi_spec_supported(&spec, "sm_90a"), FI_ERROR_UNSUPPORTED, "%s", specs[i]);
    cr_expect(strstr(fi_last_error(), " on sm_90a: with q=e4m3 it needs "), "%s: %s", specs[i], fi_last_error());
  }
}

/* It tells of what V of 512 dims needs. */
Test(tile_choice, of_wgmma_with_v_of_512_dims_that_there_is_not_is_refused) {
  static const char *const specs[] = {
      "attention family=wgmma hd=512 rows=32",           "attention family=wgmma hd=512 rows=128 page=4",
      "attention family=wgmma hd=512 rows=128 kv=e4m3",  "attention family=wgmma hd=512 rows=128 page=16 prefixes=1",
      "attention family=wgmma hd=512 rows=128 select=1", "attention family=wgmma hd=512 v_dim=256 rows=128",
  };
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    fi_spec spec;
    cr_assert_eq(fi_spec_parse(specs[i], &spec), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fi_spec_supported(&spec, "sm_90a"), FI_ERROR_UNSUPPORTED, "%s", specs[i]);
    cr_expect(strstr(fi_last_error(), "; with other V of 512 dims the same, "), "%s: %s", specs[i], fi_last_error());
  }
}

/* Tiles share a group by halves. */
Test(tile_choice, of_a_group_whose_output_fills_the_registers_is_refused) {
  static const struct {
    const char *spec;
    const char *why;
  } cases[] = {
      {"attention hd=512 group=65",
       "group=65 with v_dim=512 has no tile: it would have 128 rows, and O of more than 64 "
       "rows does not fit the registers of a CTA"},
      {"attention hd=512 group=66", NULL},
      {"attention hd=512 group=65 v_dim=256", NULL},
      {"attention hd=512 group=66 kv=int8 scale=token", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fi_spec spec;
    cr_assert_eq(fi_spec_parse(cases[i].spec, &spec), FI_OK);
    cr_expect_eq(fi_spec_supported(&spec, NULL), cases[i].why ? FI_ERROR_UNSUPPORTED : FI_OK, "%s", cases[i].spec);
    if (cases[i].why)
      cr_expect_str_eq(fi_last_error(), cases[i].why);
  }
}
