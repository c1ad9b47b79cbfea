/* FLASHJIT_SOURCE: a source of the caller's in place of the generated one, under a key of its own. */
#include "fakes.h"

#include "generator/error.h"
#include "generator/render.h"
#include "generator/spec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;
static char path[256];

static void begin(void) {
  fakes_reset();
  directory = make_directory();
  snprintf(path, sizeof path, "%s/mine.cu", directory);
  setenv("FLASHJIT_SOURCE", path, 1);
}

static void end(void) {
  unsetenv("FLASHJIT_SOURCE");
  remove_directory(directory);
}

TestSuite(edited, .init = begin, .fini = end);

static void write_bytes(const char *text, size_t size) {
  FILE *file = fopen(path, "w");
  cr_assert(file && fwrite(text, 1, size, file) == size && fclose(file) == 0);
}

static void write_text(const char *text) {
  write_bytes(text, strlen(text));
}

/* The generated source of a spec with a tile of its own, and some text at the end. */
static char *generated(const char *spec_text, uint32_t choice, const char *end_text) {
  fi_spec spec, canonical;
  struct source source;
  char *text;
  cr_assert_eq(fi_spec_parse(spec_text, &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(render_source(&canonical, target_find("compute_90a"), choice, &source), FI_OK, "%s", fi_last_error());
  cr_assert(asprintf(&text, "%s%s", source.text, end_text) > 0);
  source_free(&source);
  return text;
}

static void write_generated(const char *spec, uint32_t choice, const char *end_text) {
  char *text = generated(spec, choice, end_text);
  write_text(text);
  free(text);
}

static fi_facts facts_of(fi_ctx *ctx, const char *spec) {
  fi_facts facts = {.struct_size = sizeof facts};
  cr_assert_eq(fi_kernel_facts(kernel_of(ctx, spec), &facts), FI_OK);
  return facts;
}

static void expect_compiles(const char *edited_text, unsigned of_it, unsigned of_another) {
  char key[33];
  if (edited_text)
    write_generated("merge hd=64", 0, edited_text);
  else
    unsetenv("FLASHJIT_SOURCE");
  fi_ctx *ctx = make_context(directory);
  unsigned before = fakes.compiles;
  snprintf(key, sizeof key, "%s", facts_of(ctx, "merge hd=64").key);
  cr_expect_eq(fakes.compiles - before, of_it, "%s", edited_text);
  before = fakes.compiles;
  cr_expect_str_neq(facts_of(ctx, "merge hd=72").key, key);
  cr_expect_eq(fakes.compiles - before, of_another, "%s", edited_text);
  fi_ctx_destroy(ctx);
}

/* Each text is compiled once, and never taken for another one or for what is generated: not even when it is the same.
 */
Test(edited, has_a_key_of_its_own) {
  expect_compiles("", 1, 1);
  expect_compiles("", 0, 0);
  expect_compiles("/* faster */\n", 1, 0);
  expect_compiles("", 0, 0);
  expect_compiles(NULL, 1, 0);
  expect_compiles(NULL, 0, 0);
}

/* What can be built of a model and shipped is what is generated. */
Test(edited, is_no_miss) {
  char log[512];
  snprintf(log, sizeof log, "%s/misses", directory);
  setenv("FLASHJIT_MISS_LOG", log, 1);
  write_generated("merge hd=64", 0, "");
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, "merge hd=64");
  cr_expect_neq(access(log, F_OK), 0);
  fi_ctx_destroy(ctx);
  unsetenv("FLASHJIT_MISS_LOG");
}

/* A server that machines share, which cannot be reached, is told when it is asked; it is not. */
Test(edited, stays_on_this_machine) {
  setenv("FLASHJIT_HTTP_URL", "http://127.0.0.1:1/", 1);
  write_generated("merge hd=64", 0, "");
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, "merge hd=64");
  cr_expect_eq(counters_of(ctx).cache_problems, 0);
  kernel_of(ctx, "merge hd=72");
  cr_expect_gt(counters_of(ctx).cache_problems, 0);
  fi_ctx_destroy(ctx);
  unsetenv("FLASHJIT_HTTP_URL");
}

Test(edited, has_the_tile_whose_numbers_it_has) {
  write_generated("attention group=4 rows=16 page=16", 1, "");
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_90a"});
  cr_expect_eq(facts_of(ctx, "attention page=16 group=4 rows=16").choice, 1);
  cr_expect_eq(facts_of(ctx, "attention group=4 rows=16").choice, 0);
  fi_ctx_destroy(ctx);
}

Test(edited, numbers_of_the_launch_stay) {
  char *text = generated("merge hd=64", 0, "");
  char *number = strstr(text, "kThreads = 128");
  cr_assert(number);
  memcpy(number, "kThreads = 256", strlen("kThreads = 128"));
  write_text(text);
  free(text);
  fi_ctx *ctx = make_context(directory);
  cr_expect_eq(get(ctx, "merge hd=64"), FI_ERROR_UNSUPPORTED);
  cr_expect_str_eq(fi_last_error(),
                   "kThreads is 256 in the edited source of \"merge hd=64\"; the kernel is launched for 128");
  cr_expect_eq(fakes.compiles, 0);
  fi_ctx_destroy(ctx);
}

/* A number is what the compiler takes it for. */
Test(edited, numbers_are_no_expressions) {
  static const struct {
    const char *number; /* of threads */
    fi_status status;
  } rows[] = {
      {"128; ", FI_OK},
      {"128;//", FI_OK},
      {"0x80;", FI_OK},
      {"0200;", FI_OK},
      {"0128;", FI_ERROR_UNSUPPORTED},
      {"128*2;", FI_ERROR_UNSUPPORTED},
      {"128 +1;", FI_ERROR_UNSUPPORTED},
      {"128/2;", FI_ERROR_UNSUPPORTED},
      {"128u;", FI_ERROR_UNSUPPORTED},
      {"1'28;", FI_ERROR_UNSUPPORTED},
      {"128\n* 2;", FI_ERROR_UNSUPPORTED},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *text = generated("merge hd=64", 0, "");
    char *number = strstr(text, "kThreads = 128;");
    cr_assert(number);
    number += strlen("kThreads = ");
    memset(number, ' ', strcspn(number, "\n"));
    memcpy(number, rows[i].number, strlen(rows[i].number));
    write_text(text);
    free(text);
    fi_ctx *ctx = make_context(directory);
    cr_expect_eq(get(ctx, "merge hd=64"), rows[i].status, "%s: %s", rows[i].number, fi_last_error());
    fi_ctx_destroy(ctx);
  }
}

/* One more or less is another tile. */
Test(edited, no_constant_is_missing) {
  char *text = generated("merge hd=64", 0, "");
  char *line = strstr(text, "constexpr int kThreads");
  cr_assert(line);
  memcpy(line, "/*", 2);
  write_text(text);
  free(text);
  fi_ctx *ctx = make_context(directory);
  cr_expect_eq(get(ctx, "merge hd=64"), FI_ERROR_UNSUPPORTED);
  cr_expect(strstr(fi_last_error(), "has the constant none where the generated one has kThreads"), "%s",
            fi_last_error());
  fi_ctx_destroy(ctx);
}

/* Another tile would be another text. */
Test(edited, what_spills_is_told) {
  write_generated("attention group=4 rows=16 page=16", 0, "");
  fakes.spills = 1;
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_90a"});
  cr_expect_eq(get(ctx, "attention group=4 rows=16 page=16"), FI_ERROR_COMPILE);
  cr_expect(strstr(fi_last_error(), "spills"), "%s", fi_last_error());
  cr_expect_eq(fakes.spills, 0);
  cr_expect_eq(fakes.compiles, 2, "the plan's, and one");
  fi_ctx_destroy(ctx);
}

static void expect_refusal(const char *why) {
  const fi_options options = {.struct_size = sizeof options, .cache_dir = ""};
  fi_ctx *ctx = NULL;
  cr_expect_eq(context_create(&options, &fake_parts, &ctx), FI_ERROR_ARGUMENT, "%s", why);
  cr_expect(strstr(fi_last_error(), "FLASHJIT_SOURCE: ") && strstr(fi_last_error(), path) &&
                strstr(fi_last_error(), why),
            "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

Test(edited, what_is_no_file_is_not_waited_for) {
  cr_assert_eq(mkfifo(path, 0600), 0); /* that nobody writes to */
  expect_refusal("is no regular file");
  snprintf(path, sizeof path, "%s", directory);
  setenv("FLASHJIT_SOURCE", path, 1);
  expect_refusal("is no regular file");
}

Test(edited, mistakes_are_told) {
  static const struct {
    const char *text;
    const char *why;
  } rows[] = {
      {"", "the first line of "},
      {"/* flashjit: merge\n*/\n", "must be that of a generated source, /* flashjit: SPEC */"},
      {"/* flashjit: merge hd=7 */\n", "hd"},
      {"/* flashjit: dance */\n", "dance"},
      {"/* flashjit: merge */\n#include \"x.h\"\n", "has #include; it must hold all that it needs"},
      {"/* flashjit: merge */\n#if __has_include(\"x.h\")\n", "has __has_include"},
  };
  expect_refusal("cannot read ");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    write_text(rows[i].text);
    expect_refusal(rows[i].why);
  }
  write_bytes("/* flashjit: merge */\n\0\n", 24);
  expect_refusal("has a byte 0");
  char *large = calloc(1, (1 << 20) + 1);
  cr_assert(large);
  memset(large, ' ', 1 << 20);
  write_text(large);
  expect_refusal("has more than 1 MiB");
  free(large);
  snprintf(path, sizeof path, "%s/my \"own\".cu", directory);
  setenv("FLASHJIT_SOURCE", path, 1);
  write_text("/* flashjit: merge */\n");
  expect_refusal("whose name has a quote");
}
