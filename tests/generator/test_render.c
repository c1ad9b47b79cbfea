/* The renderer, with small templates of its own. */
#include "generator/error.h"
#include "generator/render.h"
#include "generator/snippet.h"
#include "generator/spec.h"
#include "random_spec.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { FRAGMENTS = 4 };

/* Renders a plan kernel, which has the fewest fields of its own, from a text and fragments. */
static fi_status render(const char *kernel, const struct template_file fragments[FRAGMENTS], const char *spec_text,
                        struct source *source) {
  struct template_file files[2 + FRAGMENTS] = {
      {"flashjit_args.h", "/* Records. */\n#ifndef G\n#define G\n\nstruct unused_args {\n  int a;\n};\n\n"
                          "struct used_args {\n  int a;\n};\n\n#endif\n"},
      {"kernels/attention_mma.cu", kernel},
  };
  struct template_set set = {files, 2};
  for (; fragments && set.count < 2 + FRAGMENTS && fragments[set.count - 2].name; set.count++)
    files[set.count] = fragments[set.count - 2];
  fi_spec spec;
  fi_spec canonical;
  cr_assert_eq(fi_spec_parse(spec_text, &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  return render_templates(&set, &canonical, target_find("sm_90a"), 0, source);
}

/* The whole source must be the banner and the expected text. */
static void expect_source(const char *kernel, const struct template_file *fragments, const char *spec,
                          const char *expected) {
  struct source source;
  cr_assert_eq(render(kernel, fragments, spec, &source), FI_OK, "%s", fi_last_error());
  char *banner_end = strstr(source.text, " */\n\n");
  cr_assert_not_null(banner_end);
  cr_expect_eq(strncmp(source.text, "/* flashjit: ", 13), 0);
  cr_expect_eq(strncmp(source.text + 13, spec, strlen(spec)), 0, "%s", source.text);
  cr_expect_str_eq(banner_end + 5, expected, "%s", banner_end + 5);
  cr_expect_eq(source.size, strlen(source.text));
  uint32_t lines = 0;
  for (const char *at = source.text; (at = strchr(at, '\n')); at++)
    lines++;
  cr_expect_eq(source.lines, lines);
  source_free(&source);
}

Test(render, keeps_only_what_the_kernel_uses) {
  expect_source("int unused = kHeadDim;\n\n__global__ void k(used_args a) {\n  kGroup;\n}\n", NULL, "attention group=4",
                "struct used_args {\n  int a;\n};\n\n"
                "constexpr int kGroup = 4;                /* query heads per KV head */\n\n"
                "__global__ void k(used_args a) {\n  kGroup;\n}\n");
}

Test(render, constants_name_their_value) {
  expect_source("__global__ void k() { kKvDtype, kRows, kTeams, kPageSize; }\n", NULL, "attention kv=e4m3 page=16",
                "constexpr int kKvDtype = 3;              /* e4m3: type of K and V in the cache */\n"
                "constexpr int kPageSize = 16;            /* tokens of a page, 0 without pages */\n\n"
                "constexpr int kRows = 16;                /* of the tile: query tokens x group */\n"
                "constexpr int kTeams = 4;                /* each takes its own KV tokens */\n\n"
                "__global__ void k() { kKvDtype, kRows, kTeams, kPageSize; }\n");
}

Test(render, branches_and_notes) {
  static const char kernel[] = "//# a note\n"
                               "__global__ void k() {\n"
                               "  //@if page_size > 0\n"
                               "  paged;\n"
                               "    //@if rope == half\n"
                               "  half;\n"
                               "    //@else\n"
                               "  unrotated;\n"
                               "    //@end\n"
                               "  //@else\n"
                               "  contiguous;\n"
                               "    //@if rope == half\n"
                               "  half;\n"
                               "    //@end\n"
                               "  //@end\n"
                               "  // kept //@if\n"
                               "  //# left out\n"
                               "}\n";
  expect_source(kernel, NULL, "attention", "__global__ void k() {\n  contiguous;\n  // kept //@if\n}\n");
  expect_source(kernel, NULL, "attention page=1",
                "__global__ void k() {\n  paged;\n  unrotated;\n  // kept //@if\n}\n");
  expect_source(kernel, NULL, "attention page=1 rope=half",
                "__global__ void k() {\n  paged;\n  half;\n  // kept //@if\n}\n");
  expect_source(kernel, NULL, "attention rope=half",
                "__global__ void k() {\n  contiguous;\n  half;\n  // kept //@if\n}\n");
}

Test(render, fragments_come_once_where_first_used) {
  static const struct template_file fragments[FRAGMENTS] = {
      {"a.cuh", "//@use b\nint a = b;\n"},
      {"b.cuh", "//@use a\nint b;\n"}, /* a ring */
      {"c.cuh", "int c;\n"},
  };
  expect_source("//@use a\n//@use b\n//@if head_dim == 64\n//@use c\n//@end\n__global__ void k() { a, c; }\n",
                fragments, "attention", "int b;\n\nint a = b;\n\n__global__ void k() { a, c; }\n");
  expect_source("//@use a\n//@use b\n//@if head_dim == 64\n//@use c\n//@end\n__global__ void k() { a, c; }\n",
                fragments, "attention hd=64", "int b;\n\nint a = b;\n\nint c;\n\n__global__ void k() { a, c; }\n");
}

Test(render, nothing_is_emitted_in_a_branch_that_is_left_out) {
  expect_source("//@if 0\n//@emit mma\n//@end\n__global__ void k() { mma; }\n", NULL, "attention",
                "__global__ void k() { mma; }\n");
}

Test(render, blank_lines_left_by_branches_close) {
  expect_source("\n\n__global__ void k() {\n\n//@if page_size > 0\n  a;\n//@end\n\n  b;   \n\n\n  c;\n\n}\n\n\n", NULL,
                "attention", "__global__ void k() {\n  b;\n\n  c;\n}\n");
}

Test(render, a_missing_last_newline_is_added) {
  expect_source("__global__ void k() {}", NULL, "attention", "__global__ void k() {}\n");
}

Test(render, errors_name_file_and_line) {
  static const struct template_file fragments[FRAGMENTS] = {
      {"bad.cuh", "int a;\n//@if nonsense\n//@end\n"},
      {"open.cuh", "\n\n//@if 1\n"},
  };
  static const struct {
    const char *kernel;
    const char *why;
  } rows[] = {
      {"//@use missing\n", "kernels/attention_mma.cu:1: there is no fragment missing"},
      {"//@use\n", "kernels/attention_mma.cu:1: there is no fragment"},
      {"//@if 0\n//@use missing\n//@end\n", "kernels/attention_mma.cu:2: there is no fragment missing"},
      {"\n//@emit nothing\n", "kernels/attention_mma.cu:2: there is no emitter nothing"},
      {"//@if 0\n//@emit nothing\n//@end\n", "kernels/attention_mma.cu:2: there is no emitter nothing"},
      {"//@if 0\n//@if nonsense\n//@end\n//@end\n", "kernels/attention_mma.cu:2: unknown name \"nonsense\""},
      {"//@if rope == halves\n//@end\n", "kernels/attention_mma.cu:1: unknown name \"halves\""},
      {"//@if\n//@end\n", "kernels/attention_mma.cu:1: an operand is missing before \"\""},
      {"//@else\n", "kernels/attention_mma.cu:1: //@else without //@if"},
      {"//@if 1\n//@else\n//@else\n//@end\n", "kernels/attention_mma.cu:3: //@else without //@if"},
      {"//@end\n", "kernels/attention_mma.cu:1: //@end without //@if"},
      {"//@if 1\n//@end if\n", "kernels/attention_mma.cu:2: unexpected text: if"},
      {"//@if 1\n//@else if\n//@end\n", "kernels/attention_mma.cu:2: unexpected text: if"},
      {"a\n//@if 1\nb\n//@if 1\n//@end\n", "kernels/attention_mma.cu:2: //@if without //@end"},
      {"//@include x\n", "kernels/attention_mma.cu:1: there is no directive include"},
      {"//@ if 1\n", "kernels/attention_mma.cu:1: there is no directive"},
      {"//@ifx\n", "kernels/attention_mma.cu:1: there is no directive ifx"},
      {"//@use bad\n", "bad.cuh:2: unknown name \"nonsense\""},
      {"//@use open\n//@end\n", "open.cuh:3: //@if without //@end"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct source source;
    cr_expect_eq(render(rows[i].kernel, fragments, "attention", &source), FI_ERROR_COMPILE, "%s", rows[i].kernel);
    cr_expect_str_eq(fi_last_error(), rows[i].why);
    cr_expect_null(source.text);
  }
}

Test(render, nesting_has_a_limit) {
  char kernel[40 * 8] = "";
  for (int i = 0; i < 17; i++)
    strcat(kernel, "//@if 1\n");
  struct source source;
  cr_assert_eq(render(kernel, NULL, "attention", &source), FI_ERROR_COMPILE);
  cr_assert_str_eq(fi_last_error(), "kernels/attention_mma.cu:17: //@if is nested too deeply");
}

Test(render, a_set_without_the_kernel_is_an_error) {
  fi_spec spec;
  fi_spec canonical;
  fi_spec_init(&spec);
  spec.op = FI_OP_MERGE;
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  static const struct template_file files[] = {{"flashjit_args.h", ""}, {"kernels/attention_mma.cu", ""}};
  struct source source;
  const struct target *target = target_find("sm_80");
  const struct template_set set = {files, 2};
  cr_assert_eq(render_templates(&set, &canonical, target, 0, &source), FI_ERROR_COMPILE);
  cr_assert_str_eq(fi_last_error(), "there is no template kernels/merge.cu");
  const struct template_set bare = {files + 1, 1};
  cr_assert_eq(render_templates(&bare, &canonical, target, 0, &source), FI_ERROR_COMPILE);
  cr_assert_str_eq(fi_last_error(), "there is no template flashjit_args.h");
}

Test(render, mma_takes_the_type_of_kv) {
  static const struct {
    const char *spec;
    const char *type;
  } rows[] = {
      {"attention", ".bf16.bf16."},       {"attention q=f16", ".f16.f16."},
      {"attention kv=f16", ".f16.f16."},  {"attention q=f16 kv=bf16", ".bf16.bf16."},
      {"attention kv=e4m3", ".f16.f16."}, {"attention kv=e5m2", ".f16.f16."},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct source source;
    cr_assert_eq(render("//@emit mma\n__global__ void k() { mma(); }\n", NULL, rows[i].spec, &source), FI_OK);
    cr_expect_not_null(strstr(source.text, rows[i].type), "%s: %s", rows[i].spec, source.text);
    cr_expect_not_null(strstr(source.text, "\n\n__global__"));
    source_free(&source);
  }
}

Test(render, real_sources_are_the_same_bytes_each_time) {
  struct random_source random = {5};
  uint32_t rendered = 0;
  while (rendered < 300) {
    const fi_spec spec = random_spec(&random, FI_OP_ATTENTION);
    fi_spec canonical;
    struct source first;
    struct source second;
    const struct target *target = target_at(random_below(&random, 12));
    if (spec_canonical(&spec, &canonical) != FI_OK)
      continue;
    if (canonical.snippet != FI_SNIPPET_NONE)
      cr_assert_eq(snippet_keep("int unused;\n", canonical.snippet_hash), FI_OK);
    const fi_status status = render_source(&canonical, target, 0, &first);
    cr_assert(status == FI_OK || status == FI_ERROR_UNSUPPORTED, "%s", fi_last_error());
    if (status != FI_OK)
      continue;
    cr_assert_eq(render_source(&canonical, target, 0, &second), FI_OK);
    cr_assert_eq(first.size, second.size);
    cr_assert_str_eq(first.text, second.text);
    cr_assert_str_eq(first.symbol, "flashjit_attention");
    cr_assert_null(strstr(first.text, "//@"));
    cr_assert_null(strstr(first.text, "\n\n\n"));
    cr_assert_null(strstr(first.text, " \n"));
    cr_assert_null(strstr(first.text, "#include"));
    source_free(&first);
    source_free(&second);
    rendered++;
  }
}

Test(render, cubin_and_ptx_have_one_source) {
  fi_spec spec;
  fi_spec canonical;
  fi_spec_init(&spec);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  struct source cubin;
  struct source ptx;
  cr_assert_eq(render_source(&canonical, target_find("sm_90a"), 0, &cubin), FI_OK, "%s", fi_last_error());
  cr_assert_eq(render_source(&canonical, target_find("compute_90a"), 0, &ptx), FI_OK, "%s", fi_last_error());
  cr_assert_str_eq(cubin.text, ptx.text);
  source_free(&cubin);
  source_free(&ptx);
}

Test(kernel_source, tells_its_size_and_fills_the_buffer) {
  fi_spec spec;
  fi_spec_init(&spec);
  size_t size = 0;
  cr_assert_eq(fi_kernel_source(&spec, NULL, NULL, &size), FI_OK, "%s", fi_last_error());
  char *text = malloc(size);
  size_t room = size - 1;
  cr_assert_eq(fi_kernel_source(&spec, NULL, text, &room), FI_ERROR_ARGUMENT);
  cr_assert_eq(room, size);
  cr_assert_eq(fi_kernel_source(&spec, "sm_90a", text, &room), FI_OK);
  cr_assert_eq(strlen(text) + 1, size);
  free(text);
}

Test(kernel_source, refuses_what_has_no_source) {
  fi_spec spec;
  fi_spec_init(&spec);
  size_t size = 0;
  cr_assert_eq(fi_kernel_source(&spec, NULL, NULL, NULL), FI_ERROR_ARGUMENT);
  cr_assert_eq(fi_kernel_source(NULL, NULL, NULL, &size), FI_ERROR_ARGUMENT);
  cr_assert_eq(fi_kernel_source(&spec, "sm_75", NULL, &size), FI_ERROR_UNSUPPORTED);
  spec.head_dim = 1;
  cr_assert_eq(fi_kernel_source(&spec, NULL, NULL, &size), FI_ERROR_SPEC);
  cr_assert_not_null(strstr(fi_last_error(), "head_dim is 1"));
}
