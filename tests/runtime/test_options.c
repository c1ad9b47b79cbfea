/* Options: the table of variables, and the order options - environment - default. */
#include "runtime/options.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void clear_environment(void) {
  const char *name;
  for (size_t i = 0; (name = options_variable_name(i)); i++)
    unsetenv(name);
}

TestSuite(options, .init = clear_environment);

static struct options read_options(const fi_options *given) {
  struct options options;
  cr_assert_eq(options_read(given, &options), FI_OK, "%s", fi_last_error());
  return options;
}

Test(options, defaults) {
  struct options options = read_options(NULL);
  cr_expect_eq(options.mode, FI_MODE_ON);
  cr_expect_eq(options.cache_bytes, 0);
  cr_expect_eq(options.deadline_ms, 0);
  cr_expect_eq(options.lock_wait_ms, 30000);
  cr_expect_eq(options.cache_sync, 0);
  cr_expect_null(options.target);
  cr_expect_null(options.cache_dir);
  cr_expect_null(options.nvrtc);
  cr_expect_null(options.driver);
  options_free(&options);
}

Test(options, environment) {
  setenv("FLASHJIT_MODE", "load_only", 1);
  setenv("FLASHJIT_TARGET", "sm_80", 1);
  setenv("FLASHJIT_CACHE_DIR", "/a", 1);
  setenv("FLASHJIT_CACHE_RO", "/b:/c", 1);
  setenv("FLASHJIT_CACHE_BYTES", "5000000000", 1);
  setenv("FLASHJIT_CACHE_SYNC", "1", 1);
  setenv("FLASHJIT_LOCK_DIR", "/d", 1);
  setenv("FLASHJIT_LOCK_WAIT_MS", "7", 1);
  setenv("FLASHJIT_NVRTC", "/e", 1);
  setenv("FLASHJIT_DRIVER", "sim", 1);
  setenv("FLASHJIT_DEADLINE_MS", "9", 1);
  struct options options = read_options(NULL);
  cr_expect_eq(options.mode, FI_MODE_LOAD_ONLY);
  cr_expect_str_eq(options.target, "sm_80");
  cr_expect_str_eq(options.cache_dir, "/a");
  cr_expect_str_eq(options.read_only_dirs, "/b:/c");
  cr_expect_eq(options.cache_bytes, 5000000000);
  cr_expect_eq(options.cache_sync, 1);
  cr_expect_str_eq(options.lock_dir, "/d");
  cr_expect_eq(options.lock_wait_ms, 7);
  cr_expect_str_eq(options.nvrtc, "/e");
  cr_expect_str_eq(options.driver, "sim");
  cr_expect_eq(options.deadline_ms, 9);
  options_free(&options);
}

Test(options, given_options_win) {
  const fi_options given = {
      .struct_size = sizeof given,
      .mode = FI_MODE_MEMORY_ONLY,
      .target = "sm_90a",
      .cache_bytes = UINT64_C(1) << 40,
      .deadline_ms = 11,
  };
  setenv("FLASHJIT_MODE", "load_only", 1);
  setenv("FLASHJIT_TARGET", "sm_80", 1);
  setenv("FLASHJIT_CACHE_BYTES", "5", 1);
  setenv("FLASHJIT_DEADLINE_MS", "9", 1);
  struct options options = read_options(&given);
  cr_expect_eq(options.mode, FI_MODE_MEMORY_ONLY);
  cr_expect_str_eq(options.target, "sm_90a");
  cr_expect_eq(options.cache_bytes, UINT64_C(1) << 40);
  cr_expect_eq(options.deadline_ms, 11);
  options_free(&options);
}

Test(options, cache_directory) {
  const struct {
    const char *given;
    const char *xdg;
    const char *home;
    const char *expected;
  } cases[] = {
      {"/given", "/xdg", "/home", "/given"},
      {"", "/xdg", "/home", NULL},
      {NULL, "/xdg", "/home", "/xdg/flashjit"},
      {NULL, NULL, "/home", "/home/.cache/flashjit"},
      {NULL, NULL, NULL, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const fi_options given = {.struct_size = sizeof given, .cache_dir = cases[i].given};
    cases[i].xdg ? setenv("XDG_CACHE_HOME", cases[i].xdg, 1) : unsetenv("XDG_CACHE_HOME");
    cases[i].home ? setenv("HOME", cases[i].home, 1) : unsetenv("HOME");
    struct options options = read_options(&given);
    char *directory = options_cache_directory(&options);
    if (cases[i].expected)
      cr_expect_str_eq(directory, cases[i].expected, "case %zu", i);
    else
      cr_expect_null(directory, "case %zu", i);
    free(directory);
    options_free(&options);
  }
}

Test(options, wrong_values_name_the_variable) {
  static const char *const cases[][2] = {
      {"FLASHJIT_MODE", "off"},
      {"FLASHJIT_CACHE_BYTES", "1G"},
      {"FLASHJIT_CACHE_BYTES", "-1"},
      {"FLASHJIT_CACHE_SYNC", "2"},
      {"FLASHJIT_LOCK_WAIT_MS", "forever"},
      {"FLASHJIT_DEADLINE_MS", "4294967296"},
      {"FLASHJIT_DEADLINE_MS", " 100"},
      {"FLASHJIT_CACHE_BYTES", "99999999999999999999"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct options options;
    clear_environment();
    setenv(cases[i][0], cases[i][1], 1);
    cr_expect_eq(options_read(NULL, &options), FI_ERROR_ARGUMENT, "%s=%s", cases[i][0], cases[i][1]);
    cr_expect(strstr(fi_last_error(), cases[i][0]), "%s", fi_last_error());
    cr_expect(strstr(fi_last_error(), cases[i][1]), "%s", fi_last_error());
  }
}

/* But an empty cache directory is none, and an empty key one that is refused. */
Test(options, empty_texts_are_not_taken) {
  static const char *const names[] = {"FLASHJIT_NVRTC",    "FLASHJIT_DRIVER",    "FLASHJIT_LOCK_DIR",
                                      "FLASHJIT_MISS_LOG", "FLASHJIT_CACHE_DIR", "FLASHJIT_BUNDLE_KEY"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    setenv(names[i], "", 1);
  struct options options = read_options(NULL);
  cr_expect(!options.nvrtc && !options.driver && !options.lock_dir && !options.miss_log);
  cr_expect(options.cache_dir && options.bundle_key);
  options_free(&options);
}

Test(options, empty_numbers_are_defaults) {
  setenv("FLASHJIT_MODE", "", 1);
  setenv("FLASHJIT_DEADLINE_MS", "", 1);
  struct options options = read_options(NULL);
  cr_expect_eq(options.mode, FI_MODE_ON);
  cr_expect_eq(options.deadline_ms, 0);
  options_free(&options);
}
