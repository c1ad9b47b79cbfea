/* Names in the store. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef"

Test(cache_paths, entry_names) {
  static const struct {
    const char *name;
    bool accepted;
  } cases[] = {
      {HEX "-nv13.0-1a2b3c4d.fik", true},
      {HEX "-n.fik", true},
      {HEX "-.fik", false},
      {HEX ".fik", false},
      {HEX "-nv13.0.fik~", false},
      {HEX "-nv13.0", false},
      {HEX "-NV13.0.fik", false},
      {HEX "-.hidden.fik", false},
      {HEX "-nv/13.fik", false},
      {HEX "-1234567890123456789012345678901.fik", true},
      {HEX "-12345678901234567890123456789012.fik", false},
      {"0123456789ABCDEF0123456789abcdef-nv13.0.fik", false},
      {"123456789abcdef0123456789abcdef-nv13.0.fik", false},
      {".tmp-1-0123456789abcdef", false},
      {".fik", false},
      {"", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_expect_eq(cache_is_file_name(cases[i].name), cases[i].accepted, "%s", cases[i].name);
}

Test(cache_paths, composed_names_are_recognised) {
  struct cache_key key = {{0xab, 0xcd}}, other = {{0xab, 0xce}};
  char directory[CACHE_SUBDIRECTORY_SIZE], name[CACHE_FILE_NAME_SIZE];
  cache_subdirectory_name(&key, directory);
  cache_file_name(&key, "nv13.0-1a2b3c4d", name);
  cr_expect_str_eq(directory, "ab");
  cr_expect_str_eq(name, "abcd0000000000000000000000000000-nv13.0-1a2b3c4d.fik");
  cr_expect(cache_is_file_name(name) && !cache_is_temporary_name(name));
  cr_expect(cache_is_file_name_of(name, &key));
  cr_expect(!cache_is_file_name_of(name, &other));
}

Test(cache_paths, temporary_names_are_never_entries) {
  char name[CACHE_TEMPORARY_NAME_SIZE];
  cache_temporary_name(INT32_MAX, UINT64_MAX, name);
  cr_expect_str_eq(name, ".tmp-2147483647-ffffffffffffffff");
  cr_expect(cache_is_temporary_name(name) && !cache_is_file_name(name));
}

Test(cache_paths, toolchains) {
  static const struct {
    const char *toolchain;
    bool valid;
  } cases[] = {
      {"nv13.0-1a2b3c4d", true}, {"n", true},   {"13_0", true},   {"", false},    {"..", false}, {".nv", false},
      {"nv 13", false},          {"NV", false}, {"nv/13", false}, {"-nv", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_expect_eq(cache_toolchain_valid(cases[i].toolchain), cases[i].valid, "%s", cases[i].toolchain);
}

Test(cache_paths, user_directory) {
  static const struct {
    const char *own, *xdg, *home, *expected;
  } cases[] = {
      {"/own", "/xdg", "/home/u", "/own"},
      {"relative/own", NULL, NULL, "relative/own"},
      {NULL, "/xdg", "/home/u", "/xdg/flashjit"},
      {"", "/xdg", "/home/u", "/xdg/flashjit"},
      {NULL, NULL, "/home/u", "/home/u/.cache/flashjit"},
      {NULL, "", "/home/u", "/home/u/.cache/flashjit"},
      {NULL, "relative", "/home/u", "/home/u/.cache/flashjit"},
      {NULL, NULL, NULL, NULL},
      {"", "", "", NULL},
      {NULL, "relative", "relative", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *directory = cache_user_directory(cases[i].own, cases[i].xdg, cases[i].home);
    if (!cases[i].expected)
      cr_expect_null(directory, "case %zu: %s", i, directory);
    else
      cr_expect(directory && strcmp(directory, cases[i].expected) == 0, "case %zu: %s", i, directory);
    free(directory);
  }
}
