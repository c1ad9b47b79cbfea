/* Splitting text into definitions, and leaving out those that nothing uses. */
#include "generator/definitions.h"
#include "generator/prune.h"
#include "generator/tidy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The names of all definitions, each after a space; "|" ends a definition, "!" marks a root. */
static void expect_names(const char *text, const char *expected) {
  struct definitions definitions;
  cr_assert(definitions_split(text, strlen(text), &definitions));
  struct text names = {0};
  text_print(&names, "%s", "");
  size_t name = 0;
  for (size_t i = 0; i < definitions.count; i++) {
    text_print(&names, definitions.items[i].root ? "!" : "");
    for (; name < definitions.name_count && definitions.names[name].definition == i; name++)
      text_print(&names, " %.*s", (int)definitions.names[name].size, definitions.names[name].text);
    text_print(&names, "|");
  }
  cr_expect_str_eq(names.data, expected, "%s\n%s", text, names.data);
  text_free(&names);
  definitions_free(&definitions);
}

Test(definitions, names) {
  static const struct {
    const char *text;
    const char *names;
  } rows[] = {
      {"int a;\n", " a|"},
      {"int a;\nint b;\n\nint c;\n", " a| b| c|"},
      {"int a; int b;\n", " a b|"},
      {"int a;", " a|"},
      {"struct point {\n  int x;\n\n  int y;\n};\n", " point|"},
      {"struct point make(int x) {\n  return {x};\n}\n", " make|"},
      {"struct __align__(16) point {\n  int x;\n};\n", " point|"},
      {"union word {\n  int x;\n};\n", " word|"},
      {"enum color { RED, GREEN = 2 };\n", " color RED GREEN|"},
      {"enum { RED };\n", "! RED|"},
      {"enum class color : int { RED };\n", " color int RED|"},
      {"typedef unsigned u32;\ntypedef float row[4][2];\n", " u32| row|"},
      {"using u32 = unsigned;\n", " u32|"},
      {"constexpr int k = 3;\n", " k|"},
      {"__constant__ int table[2] = {1, 2};\n", " table|"},
      {"__device__ __forceinline__ int f(int a = g(1)) {\n  if (a) {\n  }\n\n  return a;\n}\n", " f|"},
      {"template <int N, typename T>\n__device__ void f(T (&a)[N]) {\n}\n", " f|"},
      {"template <int N = 3> __device__ void f() {\n}\n", " f|"},
      {"template <typename T> struct box {\n  T t;\n};\n", " box|"},
      {"extern \"C\" __global__ void __launch_bounds__(k, 2)\nkernel(args a) {\n}\n", "! kernel|"},
      {"__global__ void kernel() {}\n", "! kernel|"},
      {"static_assert(k == 3);\n", "! static_assert|"},
      {"__device__ box operator+(box a, box b) {\n  return a;\n}\n", "! operator|"},
      {"#define COUNT 3\n", " COUNT|"},
      {"#define SUM(a, b) \\\n  (a + b)\nint c;\n", " SUM| c|"},
      {"#ifndef GUARD\n#define GUARD\nint a;\n#endif\n", "| GUARD| a||"},
      {"void f() {\n#pragma unroll\n  for (;;)\n    g();\n}\n", " f|"},
      {"/* int a; */\nint b; // int c;\n", " b|"},
      {"/* alone */\n\nint a;\n", "| a|"},
      {"const char *s = \"int a; {\";\nint b;\n", " s| b|"},
      {"const char *s = \"\\\"; {\";\nint b;\n", " s| b|"},
      {"char c = '{';\nint b;\n", " c| b|"},
      {"", ""},
      {"\n\n", ""},
      {"int f() {", "|"},
      {"}\nint a;\n", "!| a|"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    expect_names(rows[i].text, rows[i].names);
}

static void expect_pruned(const char *text, const char *expected) {
  struct text pruned = {0};
  cr_assert(prune_definitions(text, strlen(text), &pruned));
  cr_expect_str_eq(pruned.data ? pruned.data : "", expected, "%s", pruned.data);
  text_free(&pruned);
}

Test(prune, keeps_what_kernels_reach) {
  expect_pruned("int a;\n\nint b;\n\n__global__ void k() {\n  b;\n}\n", "\nint b;\n\n__global__ void k() {\n  b;\n}\n");
  expect_pruned("int a;\nint b = a;\nint c = b;\nint d = c;\n__global__ void k() { c; }\n",
                "int a;\nint b = a;\nint c = b;\n__global__ void k() { c; }\n");
}

Test(prune, a_ring_of_unused_definitions_goes) {
  expect_pruned("void f() { g(); }\nvoid g() { f(); }\n__global__ void k() {}\n", "__global__ void k() {}\n");
}

Test(prune, comments_and_strings_use_nothing) {
  expect_pruned("int a;\nint b;\nint c;\n/* a */\n__global__ void k() { \"b\"; } // c\n",
                "/* a */\n__global__ void k() { \"b\"; } // c\n");
}

Test(prune, parts_of_names_and_numbers_use_nothing) {
  expect_pruned("int a;\nint e;\nint ul;\n__global__ void k() { ab; 1e5; 2ul; b.a_; }\n",
                "__global__ void k() { ab; 1e5; 2ul; b.a_; }\n");
}

Test(prune, comments_go_with_what_is_below) {
  expect_pruned("/* of a */\nint a;\n\n/* of b */\nint b;\n\n__global__ void k() { b; }\n",
                "\n/* of b */\nint b;\n\n__global__ void k() { b; }\n");
  expect_pruned("/* alone */\n\nint a;\n\n/* alone too */\n\n__global__ void k() {}\n",
                "\n/* alone too */\n\n__global__ void k() {}\n");
}

Test(prune, include_guards_go_and_used_macros_stay) {
  expect_pruned("/* File. */\n#ifndef G\n#define G\n#define N 3\n#define M 4\n__global__ void k() { N; }\n#endif\n",
                "#define N 3\n__global__ void k() { N; }\n");
}

Test(prune, enumerators_keep_their_enum) {
  expect_pruned("enum color { RED, GREEN };\nenum other { BLUE };\n__global__ void k() { GREEN; }\n",
                "enum color { RED, GREEN };\n__global__ void k() { GREEN; }\n");
}

Test(prune, overloads_stay_together) {
  expect_pruned("void f(int a) {}\nvoid f(float a) {}\n__global__ void k() { f(1); }\n",
                "void f(int a) {}\nvoid f(float a) {}\n__global__ void k() { f(1); }\n");
}

/* More definitions than any first allocation and bucket count. */
Test(prune, long_texts) {
  struct text text = {0};
  struct text expected = {0};
  enum { COUNT = 2000 };
  text_print(&text, "int a0;\n");
  text_print(&expected, "int a0;\n");
  for (int i = 1; i < COUNT; i++) {
    text_print(&text, "int a%d = a%d;\nint b%d = a%d;\n", i, i - 1, i, i);
    text_print(&expected, "int a%d = a%d;\n", i, i - 1);
  }
  text_print(&text, "__global__ void k() { a%d; }\n", COUNT - 1);
  text_print(&expected, "__global__ void k() { a%d; }\n", COUNT - 1);
  expect_pruned(text.data, expected.data);
  text_free(&text);
  text_free(&expected);
}

Test(tidy, blank_lines_and_trailing_spaces) {
  static const struct {
    const char *text;
    const char *tidy;
    uint32_t lines;
  } rows[] = {
      {"", "", 0},
      {"\n\n", "", 0},
      {"\n\na\n\n\n\nb\n\n", "a\n\nb\n", 3},
      {"a  \t\n  b\r\n", "a\n  b\n", 2},
      {"f {\n\n  a\n\n}\n\ng\n", "f {\n  a\n}\n\ng\n", 5},
      {"a", "a\n", 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct text out = {0};
    const uint32_t lines = tidy_lines(rows[i].text, strlen(rows[i].text), &out);
    char *tidy = text_take(&out);
    cr_assert_not_null(tidy);
    cr_expect_str_eq(tidy, rows[i].tidy);
    cr_expect_eq(lines, rows[i].lines);
    free(tidy);
  }
}
