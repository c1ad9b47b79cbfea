/* The kernels that a spec stands for. */
#include "flashjit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static fi_spec parsed(const char *text) {
  fi_spec spec;
  cr_assert_eq(fi_spec_parse(text, &spec), FI_OK, "%s: %s", text, fi_last_error());
  return spec;
}

/* And none but the first that takes as much time as the one after it: with wgmma 64 rows have no use. */
Test(members, have_the_fewest_rows_and_larger_tiles_that_fit) {
  static const struct {
    const char *spec;
    const char *target;
    const char *members[5];
  } cases[] = {
      {"attention", "sm_80", {"attention rows=16", "attention rows=32", "attention rows=64", "attention rows=128"}},
      {"attention family=mma",
       "sm_90a",
       {"attention family=mma rows=16", "attention family=mma rows=32", "attention family=mma rows=64",
        "attention family=mma rows=128"}},
      {"attention", "sm_90a", {"attention rows=16", "attention rows=32", "attention rows=128"}},
      {"attention", NULL, {"attention rows=16", "attention rows=32", "attention rows=128"}},
      {"attention hd=64",
       "sm_90a",
       {"attention hd=64 rows=16", "attention hd=64 rows=32", "attention hd=64 rows=64", "attention hd=64 rows=128"}},
      {"attention group=20 kv=e4m3",
       "sm_80",
       {"attention group=20 rows=32 kv=e4m3", "attention group=20 rows=64 kv=e4m3",
        "attention group=20 rows=128 kv=e4m3"}},
      {"attention group=40", "sm_90a", {"attention group=40 rows=64", "attention group=40 rows=128"}},
      {"attention group=71", "sm_90a", {"attention group=71 rows=128"}},
      {"attention hd=512",
       "sm_90a",
       {"attention hd=512 rows=16", "attention hd=512 rows=32", "attention hd=512 rows=64"}},
      {"attention hd=256",
       "sm_86",
       {"attention hd=256 rows=16", "attention hd=256 rows=32", "attention hd=256 rows=64"}},
      {"attention rows=32", "sm_90a", {"attention rows=32"}},
      {"attention select=64", "sm_90a", {"attention rows=16 select=64"}},
      {"attention group=20 page=16 prefixes=1",
       "sm_90a",
       {"attention group=20 rows=32 page=16 prefixes=1", "attention group=20 rows=128 page=16 prefixes=1"}},
      {"attention hd=512 group=64 page=16 prefixes=1",
       "sm_90a",
       {"attention hd=512 group=64 rows=64 page=16 prefixes=1"}},
      {"append hd=64", "sm_90a", {"append hd=64"}},
      {"merge", "sm_90a", {"merge"}},
      {"plan", "sm_90a", {"plan"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const fi_spec spec = parsed(cases[i].spec);
    fi_spec member;
    uint32_t number = 0;
    for (; cases[i].members[number]; number++) {
      char text[FI_SPEC_TEXT_SIZE] = "";
      cr_expect_eq(fi_spec_member(&spec, cases[i].target, number, &member), FI_OK, "%s", fi_last_error());
      fi_spec_print(&member, text, sizeof text);
      cr_expect_str_eq(text, cases[i].members[number]);
    }
    cr_expect_eq(fi_spec_member(&spec, cases[i].target, number, &member), FI_ERROR_ARGUMENT, "%s", cases[i].spec);
    cr_expect(strstr(fi_last_error(), "number is "), "%s", fi_last_error());
  }
}

Test(members, refuse_what_has_no_kernel) {
  const fi_spec spec = parsed("attention");
  const fi_spec large = parsed("attention hd=512 group=65");
  fi_spec bad = spec;
  fi_spec member;
  bad.head_dim = 33;
  cr_expect_eq(fi_spec_member(&spec, NULL, 0, NULL), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "member is NULL");
  cr_expect_eq(fi_spec_member(NULL, NULL, 0, &member), FI_ERROR_ARGUMENT);
  cr_expect_eq(fi_spec_member(&bad, NULL, 0, &member), FI_ERROR_SPEC);
  cr_expect_eq(fi_spec_member(&spec, "sm_75", 0, &member), FI_ERROR_UNSUPPORTED);
  cr_expect_eq(fi_spec_member(&large, "sm_90a", 0, &member), FI_ERROR_UNSUPPORTED);
}

static char *source_of(const fi_spec *spec) {
  size_t size = 0;
  cr_assert_eq(fi_kernel_source(spec, NULL, NULL, &size), FI_OK, "%s", fi_last_error());
  char *source = malloc(size);
  cr_assert_eq(fi_kernel_source(spec, NULL, source, &size), FI_OK);
  return source;
}

/* So one cache entry serves both. */
Test(members, the_first_has_the_text_of_the_spec_without_rows) {
  static const char *const specs[] = {"attention group=4 page=16", "attention hd=64 group=33 kv=e4m3", "merge"};
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    const fi_spec spec = parsed(specs[i]);
    fi_spec member;
    cr_assert_eq(fi_spec_member(&spec, NULL, 0, &member), FI_OK);
    char *open = source_of(&spec);
    char *named = source_of(&member);
    cr_expect_str_eq(open, named, "%s", specs[i]);
    free(open);
    free(named);
  }
}
