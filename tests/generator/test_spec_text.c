/* The text form of specs. */
#include "generator/spec.h"
#include "random_spec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void expect_text(const char *given, const char *expected) {
  fi_spec spec;
  char text[FI_SPEC_TEXT_SIZE] = "";
  cr_expect_eq(fi_spec_parse(given, &spec), FI_OK, "%s: %s", given, fi_last_error());
  cr_expect_eq(fi_spec_print(&spec, text, sizeof text), FI_OK, "%s: %s", given, fi_last_error());
  cr_expect_str_eq(text, expected);
}

Test(spec_text, holds_what_differs_from_the_defaults) {
  expect_text("attention", "attention");
  expect_text("attention hd=128 group=1 q=bf16 kv=bf16", "attention");
  expect_text("attention group=4 kv=e4m3 page=16 rope=half rope_dim=64",
              "attention group=4 kv=e4m3 page=16 rope=half rope_dim=64");
  expect_text("attention q=f16 kv=f16", "attention q=f16");
  expect_text("attention group=20 rows=32", "attention group=20 rows=32");
  expect_text("attention hd=64 rope=half rope_dim=64 positions=kv_offset", "attention hd=64 rope=half");
  expect_text("attention rope_dim=64", "attention");
  expect_text("append group=4 rows=64 lse=1 keys=unrotated hd=64", "append hd=64");
  expect_text("merge hd=256 kv=e4m3 lse=1 q=f16", "merge hd=256 q=f16 lse=1");
  expect_text("plan hd=64", "plan");
}

Test(spec_text, snippets_have_the_hash_of_their_text) {
  expect_text("attention snippet=logit:0123456789abcdef group=4", "attention group=4 snippet=logit:0123456789abcdef");
  expect_text("attention snippet=weight:00000000000000a1", "attention snippet=weight:00000000000000a1");
  expect_text("append snippet=weight:00000000000000a1", "append");
  fi_spec spec;
  char text[FI_SPEC_TEXT_SIZE];
  cr_assert_eq(fi_spec_parse("attention snippet=weight", &spec), FI_OK);
  cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_ERROR_SPEC);
  cr_assert_str_eq(fi_last_error(), "snippet_hash is 0 with snippet weight; allowed: what fi_register_snippet gives");
  spec.snippet_hash = 0xfedcba9876543210;
  cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_OK);
  cr_assert_str_eq(text, "attention snippet=weight:fedcba9876543210");
}

Test(spec_text, takes_any_order_and_spaces) {
  expect_text("  attention   page=16  hd=64 ", "attention hd=64 page=16");
  expect_text("attention rope=half mask=none index=csr", "attention index=csr mask=none rope=half");
}

Test(spec_text, names_every_axis) {
  expect_text("attention hd=96 group=3 rows=64 q=f16 kv=e5m2 scale=head page=7 index=csr mask=none lse=1 "
              "rope=interleaved keys=unrotated rope_dim=48 rope_first=2 positions=array axes=3",
              "attention hd=96 group=3 rows=64 q=f16 kv=e5m2 scale=head page=7 index=csr mask=none lse=1 "
              "rope=interleaved keys=unrotated rope_dim=48 rope_first=2 positions=array axes=3");
}

Test(spec_text, print_and_parse_are_inverse) {
  struct random_source source = {3};
  uint32_t accepted = 0;
  size_t longest = 0;
  for (int i = 0; i < 20000; i++) {
    const fi_spec spec = random_spec(&source, random_below(&source, 4));
    fi_spec before;
    if (spec_canonical(&spec, &before) != FI_OK)
      continue;
    char text[FI_SPEC_TEXT_SIZE];
    fi_spec parsed;
    fi_spec after;
    cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_OK);
    cr_assert_eq(fi_spec_parse(text, &parsed), FI_OK, "%s: %s", text, fi_last_error());
    cr_assert_eq(spec_canonical(&parsed, &after), FI_OK, "%s", text);
    cr_assert_arr_eq(&before, &after, sizeof before);
    longest = strlen(text) > longest ? strlen(text) : longest;
    accepted++;
  }
  cr_assert_gt(accepted, 5000);
  cr_assert_lt(longest, FI_SPEC_TEXT_SIZE - 1, "a text fills the buffer, so it may have been cut");
}

Test(spec_text, print_refuses_bad_specs_and_small_buffers) {
  fi_spec spec;
  char text[32];
  fi_spec_init(&spec);
  spec.group = 4;
  cr_assert_eq(fi_spec_print(&spec, text, strlen("attention group=4")), FI_ERROR_ARGUMENT);
  cr_assert_not_null(strstr(fi_last_error(), "FI_SPEC_TEXT_SIZE"));
  cr_assert_eq(fi_spec_print(&spec, text, strlen("attention group=4") + 1), FI_OK);
  cr_assert_eq(fi_spec_print(&spec, NULL, 0), FI_ERROR_ARGUMENT);
  cr_assert_eq(fi_spec_print(NULL, text, sizeof text), FI_ERROR_ARGUMENT);
  spec.group = 129;
  cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_ERROR_SPEC);
  cr_assert_str_eq(fi_last_error(), "group is 129; allowed: 1 to 128");
}

Test(spec_text, parse_errors_name_word_and_choice) {
  static const char keys[] = "family, hd, v_dim, group, rows, q, kv, o, scale, page, slots, ids, index, start, mask, "
                             "left, right, chunk, ranges, bits, lse, rope, keys, rope_dim, rope_first, positions, "
                             "axes, softcap, sinks, bias, snippet";
  static const struct {
    const char *text;
    const char *why;
  } rows[] = {
      {"", "op is \"\"; allowed: attention, append, merge, plan, indexer"},
      {"decode hd=64", "op is \"decode\"; allowed: attention, append, merge, plan, indexer"},
      {"hd=64 attention", "op is \"hd=64\"; allowed: attention, append, merge, plan, indexer"},
      {"attention kv=f32", "kv (kv_dtype) is \"f32\"; allowed: f16, bf16, e4m3, e5m2, int8, int4, nvfp4"},
      {"attention kv=3", "kv (kv_dtype) is \"3\"; allowed: f16, bf16, e4m3, e5m2, int8, int4, nvfp4"},
      {"attention kv=", "kv (kv_dtype) is \"\"; allowed: f16, bf16, e4m3, e5m2, int8, int4, nvfp4"},
      {"attention group=0", "group is \"0\"; allowed: 1 to 128"},
      {"attention group=-1", "group is \"-1\"; allowed: 1 to 128"},
      {"attention group=4x", "group is \"4x\"; allowed: 1 to 128"},
      {"attention group=", "group is \"\"; allowed: 1 to 128"},
      {"attention group=4294967297", "group is \"4294967297\"; allowed: 1 to 128"},
      {"attention group=18446744073709551620", "group is \"18446744073709551620\"; allowed: 1 to 128"},
      {"attention page=", "page (page_size) is \"\"; allowed: 0 to 16384"},
      {"attention lse=3", "lse is \"3\"; allowed: 0, 1, 2"},
      {"attention group", "\"group\" has no \"=\": an axis is written key=value"},
      {"attention hd=64 hd=64", "hd is given twice"},
      {"attention snippet=tanh", "snippet is \"tanh\"; allowed: none, logit, weight"},
      {"attention snippet=logit:", "the hash of the snippet is \"\"; allowed: 16 digits of 0 to 9 and a to f"},
      {"attention snippet=logit:123", "the hash of the snippet is \"123\"; allowed: 16 digits of 0 to 9 and a to f"},
      {"attention snippet=logit:0123456789ABCDEF",
       "the hash of the snippet is \"0123456789ABCDEF\"; allowed: 16 digits of 0 to 9 and a to f"},
      {"attention snippet=logit:0123456789abcdef0",
       "the hash of the snippet is \"0123456789abcdef0\"; allowed: 16 digits of 0 to 9 and a to f"},
      {"attention\thd=64", "op is \"attention\thd=64\"; allowed: attention, append, merge, plan, indexer"},
      {"attention head_dim=64", NULL},
      {"attention op=merge", NULL},
      {"attention =4", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_spec spec = {.group = 77};
    cr_expect_eq(fi_spec_parse(rows[i].text, &spec), FI_ERROR_SPEC, "%s", rows[i].text);
    cr_expect_eq(spec.group, 77, "the spec was written: %s", rows[i].text);
    if (rows[i].why)
      cr_expect_str_eq(fi_last_error(), rows[i].why);
    else
      cr_expect_not_null(strstr(fi_last_error(), keys), "%s", fi_last_error());
  }
  cr_assert_eq(fi_spec_parse(NULL, NULL), FI_ERROR_ARGUMENT);
  cr_assert_eq(fi_spec_parse("attention", NULL), FI_ERROR_ARGUMENT);
}

Test(spec_text, long_words_are_cut_in_messages) {
  char text[1000] = "attention group=";
  memset(text + strlen(text), '7', 900);
  fi_spec spec;
  cr_assert_eq(fi_spec_parse(text, &spec), FI_ERROR_SPEC);
  cr_assert_not_null(strstr(fi_last_error(), "\"; allowed: 1 to 128"), "%s", fi_last_error());
}
