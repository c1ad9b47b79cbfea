/* Snippets from registration to the compiler: keys, mistakes, threads, and the example of README.md. */
#include "fakes.h"

#include "cache/hash.h"
#include "runtime/compiler.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(snippet, .init = fakes_reset);

static const char plain[] = "float logit(struct fi_score at, const void *params) {\n  return at.score;\n}\n";

static uint64_t registered(const char *text) {
  uint64_t hash = 0;
  cr_assert_eq(fi_register_snippet(text, &hash), FI_OK, "%s", fi_last_error());
  return hash;
}

static fi_spec spec_with(const char *text, const char *spec_text) {
  fi_spec spec = spec_of(spec_text);
  spec.snippet_hash = registered(text);
  return spec;
}

Test(snippet, the_hash_is_that_of_the_text) {
  cr_expect_eq(registered(plain), XXH3_64bits(plain, strlen(plain)));
  cr_expect_eq(registered(plain), registered(plain));
  cr_expect_neq(registered(plain), registered("int a;"));
  cr_expect_eq(fi_register_snippet(plain, NULL), FI_ERROR_ARGUMENT);
}

static void key_of(fi_ctx *ctx, const fi_spec *spec, char key[33]) {
  fi_facts facts = {.struct_size = sizeof facts};
  fi_kernel *kernel;
  cr_assert_eq(fi_get_kernel(ctx, spec, &kernel), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_kernel_facts(kernel, &facts), FI_OK);
  memcpy(key, facts.key, sizeof facts.key);
}

Test(snippet, another_text_is_another_kernel) {
  char *directory = make_directory();
  const fi_spec spec = spec_with(plain, "attention rows=16 snippet=logit");
  const fi_spec other = spec_with("/* other */ float logit(struct fi_score at, const void *params) { return 0; }",
                                  "attention rows=16 snippet=logit");
  char key[33], other_key[33], again[33];
  fi_ctx *ctx = make_context(directory);
  key_of(ctx, &spec, key);
  key_of(ctx, &other, other_key);
  fi_ctx_destroy(ctx);
  cr_expect_str_neq(key, other_key);
  ctx = make_context(directory);
  key_of(ctx, &spec, again);
  cr_expect_str_eq(key, again);
  cr_expect_eq(counters_of(ctx).compiles, 0, "it is in the cache");
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

Test(snippet, a_hash_of_nobody_is_named) {
  fi_ctx *ctx = make_context(NULL);
  const fi_spec spec = spec_of("attention snippet=weight:00000000deadbeef");
  fi_kernel *kernel;
  cr_expect_eq(fi_get_kernel(ctx, &spec, &kernel), FI_ERROR_SPEC);
  cr_expect_not_null(strstr(fi_last_error(), "snippet_hash is 00000000deadbeef"), "%s", fi_last_error());
  cr_expect_eq(fi_precompile(ctx, &spec, NULL), FI_ERROR_SPEC);
  registered(plain);
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- threads */

enum { THREADS = 8, TEXTS = 200 };

static void text_of(int number, char text[64]) {
  snprintf(text, 64, "int number = %d;", number);
}

static void *register_all(void *unused) {
  for (int i = 0; i < TEXTS; i++) {
    char text[64];
    uint64_t hash;
    text_of(i, text);
    if (fi_register_snippet(text, &hash))
      return "refused";
  }
  return unused;
}

Test(snippet, threads_register_the_same_texts) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, register_all, NULL), 0);
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    cr_expect_null(result);
  }
  for (int i = 0; i < TEXTS; i++) {
    char text[64];
    size_t size = 0;
    text_of(i, text);
    const fi_spec spec = spec_with(text, "attention rows=16 snippet=logit");
    cr_expect_eq(fi_kernel_source(&spec, NULL, NULL, &size), FI_OK, "%s", fi_last_error());
  }
}

/* -------------------------------------------------------------------------------- the compiler */

/* Compiles a spec with a text; what it says is the thread's last error. */
static fi_status compile(const char *text, const char *spec_text) {
  const char *path = getenv("FLASHJIT_NVRTC");
  struct compiler *compiler;
  struct compile_output output = {0};
  uint32_t next = 0;
  size_t size = 0;
  if (!path)
    path = TEST_NVRTC;
  if (!*path)
    cr_skip_test("no libnvrtc");
  const fi_spec spec = spec_with(text, spec_text);
  cr_assert_eq(nvrtc_open(path, &next, &compiler), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_kernel_source(&spec, "sm_90a", NULL, &size), FI_OK, "%s", fi_last_error());
  char *source = malloc(size);
  cr_assert_not_null(source);
  cr_assert_eq(fi_kernel_source(&spec, "sm_90a", source, &size), FI_OK);
  const struct compile_job job = {.source = source, .target = target_find("sm_90a")};
  const fi_status status = compiler->compile(compiler, &job, &output);
  compile_output_free(&output);
  compiler->close(compiler);
  free(source);
  return status;
}

Test(snippet, mistakes_have_the_line_of_the_text) {
  static const struct {
    const char *text;
    const char *why;
  } rows[] = {
      {"float logit(struct fi_score at, const void *params) {\n\n  return at.scor;\n}\n",
       "snippet(3): error: class \"fi_score\" has no member \"scor\""},
      {"int x\nfloat logit(struct fi_score at, const void *params) {\n  return 0;\n}\n", "snippet(2): error:"},
      {"float logits(struct fi_score at, const void *params) {\n  return 0;\n}\n",
       "error: namespace \"snippet\" has no member \"logit\""},
      {"float logit(struct fi_score at) {\n  return 0;\n}\n", "error: too many arguments in function call"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_expect_eq(compile(rows[i].text, "attention rows=16 snippet=logit"), FI_ERROR_COMPILE);
    cr_expect_not_null(strstr(fi_last_error(), rows[i].why), "%s", fi_last_error());
  }
}

Test(snippet, names_and_macros_of_a_text_are_its_own) {
  static const char text[] =
      "#define kRows 3\n"
      "#define params ((const float *)given)\n"
      "struct Team {};\n"
      "float exp2_fast(float x) { return x; }\n"
      "float logit(struct fi_score at, const void *given) { return exp2_fast(at.score) + kRows * params[0]; }";
  cr_expect_eq(compile(text, "attention rows=16 snippet=logit"), FI_OK, "%s", fi_last_error());
}

Test(snippet, the_longest_text_compiles) {
  char *text = malloc(FI_SNIPPET_SIZE + 1);
  cr_assert_not_null(text);
  memset(text, '\n', FI_SNIPPET_SIZE);
  memcpy(text + FI_SNIPPET_SIZE - strlen(plain), plain, strlen(plain) + 1);
  cr_expect_eq(compile(text, "attention rows=16 snippet=logit"), FI_OK, "%s", fi_last_error());
  free(text);
}

/* -------------------------------------------------------------------------------- README.md */

/* The first indented block after the place where README.md begins with snippets. */
static void read_example(char *text, size_t size) {
  FILE *file = fopen(TEST_README, "r");
  char line[256];
  bool inside = false;
  size_t used = 0;
  cr_assert_not_null(file);
  while (fgets(line, sizeof line, file) && !(used > 0 && strspn(line, " \n") == 0)) {
    if (inside && strncmp(line, "    ", 4) == 0)
      used += (size_t)snprintf(text + used, size - used, "%s", line + 4);
    inside |= strstr(line, "## Your own score function") != NULL;
  }
  fclose(file);
  cr_assert(used > 0 && used < size);
}

Test(snippet, the_example_of_the_readme_compiles) {
  char text[4096];
  read_example(text, sizeof text);
  cr_expect_eq(compile(text, "attention group=4 rows=16 page=16 snippet=logit"), FI_OK, "%s", fi_last_error());
  cr_expect_eq(compile(text, "attention group=4 rows=16 page=16 snippet=weight"), FI_OK, "%s", fi_last_error());
}
