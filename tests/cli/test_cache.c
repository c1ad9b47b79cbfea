/* flashjit cache: it says what is there, checks it, and deletes what it is told to. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct output output;

enum { ENTRIES = 5 };

/* Entries of the cache's own tests, named g0 to g4, instead of what would have to be compiled. */
static void fill(void) {
  command(&output, "bundle install " TEST_DATA "/../cache/data/bundle-v1.fib");
  expect_code(&output, 0);
}

/* A shell's line in the cache's folder. */
static void in_cache(const char *line) {
  char *text;
  cr_assert(asprintf(&text, "cd %s/cache && %s", scratch_folder(), line) > 0);
  cr_assert_eq(WEXITSTATUS(system(text)), 0, "%s", text);
  free(text);
}

static void expect_entries(int count) {
  char text[64];
  command(&output, "cache stats");
  expect_code(&output, 0);
  snprintf(text, sizeof text, "entries     %8d files", count);
  expect_text(output.out, text);
}

Test(cache, path) {
  char text[128];
  command(&output, "cache path");
  expect_code(&output, 0);
  snprintf(text, sizeof text, "%s/cache\n", scratch_folder());
  cr_expect_str_eq(output.out, text);
  command_in(&output, "FLASHJIT_CACHE_DIR=", "cache path");
  expect_code(&output, 1);
  expect_text(output.err, "there is no cache directory");
  command_in(&output, "-u FLASHJIT_CACHE_DIR XDG_CACHE_HOME=/x", "cache path --json");
  expect_text(output.out, "\"schema\": \"flashjit.cache.path\"");
  expect_text(output.out, "\"path\": \"/x/flashjit\"");
}

Test(cache, an_empty_one) {
  command(&output, "cache ls");
  expect_code(&output, 0);
  expect_entries(0);
  command(&output, "cache verify");
  expect_code(&output, 0);
  command(&output, "cache prune --bytes 0");
  expect_code(&output, 0);
}

Test(cache, lists) {
  fill();
  command(&output, "cache ls");
  expect_code(&output, 0);
  expect_text(output.out, "hd128.g3");
  const char *first = strstr(output.out, "hd128.g0");
  cr_assert(first && strstr(first, "hd128.g4"), "in the order of specs: %s", output.out);
  command(&output, "cache ls --json");
  expect_code(&output, 0);
  expect_text(output.out, "\"schema\": \"flashjit.cache.ls\",\n  \"schema_version\": 1");
  expect_text(output.out, "\"spec\": \"decode.sm90a.hd128.g3\"");
  expect_text(output.out, "\"target\": \"compute_90a\"");
}

/* Every kind of file that does not belong there, and what deletes it. */
Test(cache, verifies_and_repairs) {
  fill();
  in_cache("f=$(ls v1/*/*.fik | head -n 1) && printf x | dd of=$f bs=1 seek=300 conv=notrunc 2>/dev/null");
  in_cache("f=$(ls v1/*/*.fik | tail -n 1) && echo hello >$(dirname $f)/notes && echo x >$(dirname $f)/.tmp-1-2");
  in_cache("f=$(ls v1/*/*.fik | tail -n 1) && cp $f $(dirname $f)/00000000000000000000000000000000-nv1.fik");
  command(&output, "cache verify");
  expect_code(&output, 1);
  expect_text(output.err, "checksum does not match");
  expect_text(output.err, "the entry is not that of its name");
  command(&output, "cache verify --json");
  expect_code(&output, 1);
  expect_text(output.out, "\"damaged\": {\n    \"files\": 2,");
  expect_text(output.out, "\"foreign\": {\n    \"files\": 1,");
  expect_text(output.out, "\"temporary\": {\n    \"files\": 1,");
  command(&output, "cache verify --repair");
  expect_code(&output, 0);
  expect_text(output.out, "2 files deleted");
  command(&output, "cache verify");
  expect_code(&output, 0);
  expect_entries(ENTRIES - 1);
}

/* What others could have written counts as nothing. */
Test(cache, untrusted_files_are_told) {
  fill();
  in_cache("chmod 666 $(ls v1/*/*.fik | head -n 1)");
  command(&output, "cache verify --repair");
  expect_code(&output, 1);
  expect_text(output.err, "may be written by anybody");
  in_cache("chmod 777 v1");
  command(&output, "cache ls");
  expect_code(&output, 1);
  expect_text(output.err, "v1 may be written by anybody");
}

/* What is in the place of a folder is told, and keeps nobody from the rest. */
Test(cache, files_in_the_place_of_folders) {
  static const char *const rows[][2] = {{"ls", "hd128.g4"},
                                        {"stats", "entries            5 files"},
                                        {"verify --repair", "entries            5 files"},
                                        {"prune --days 9", "0 of 5 files deleted"},
                                        {"prune --bytes 0", "5 of 5 files deleted"},
                                        {"rm --all", "0 files deleted"}};
  fill();
  in_cache("touch -d now v1/*/*.fik && touch v1/ff");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[32];
    snprintf(arguments, sizeof arguments, "cache %s", rows[i][0]);
    command(&output, arguments);
    expect_code(&output, 1);
    expect_text(output.out, rows[i][1]);
    expect_text(output.err, "cannot open directory ff: Not a directory");
  }
}

Test(cache, prunes_the_oldest) {
  fill();
  in_cache("for f in v1/*/*.fik; do touch -d '3 days ago' $f; done");
  in_cache("touch $(grep -l 'hd128.g3' v1/*/*.fik)");
  command(&output, "cache prune --days 4");
  expect_code(&output, 0);
  expect_entries(ENTRIES);
  command(&output, "cache prune --days 2");
  expect_code(&output, 0);
  expect_text(output.out, "4 of 5 files deleted");
  command(&output, "cache ls");
  expect_text(output.out, "hd128.g3");
  fill();
  in_cache("touch -d '1 hour ago' $(grep -l 'hd128.g3' v1/*/*.fik)");
  command(&output, "cache prune --bytes 20000");
  expect_entries(ENTRIES);
  command(&output, "cache prune --bytes 6000");
  expect_code(&output, 0);
  expect_entries(ENTRIES - 1);
  command(&output, "cache ls");
  cr_expect_null(strstr(output.out, "hd128.g3"), "%s", output.out);
  command(&output, "cache prune --bytes 0");
  expect_entries(0);
}

Test(cache, deletes_by_key) {
  char key[16], arguments[64];
  fill();
  command(&output, "cache ls");
  const char *line = strchr(output.out, '\n') + 1;
  snprintf(key, sizeof key, "%.12s", line);
  snprintf(arguments, sizeof arguments, "cache rm %s", key);
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "1 files deleted");
  expect_entries(ENTRIES - 1);
  command(&output, arguments);
  expect_code(&output, 1);
  command(&output, "cache rm --all");
  expect_code(&output, 0);
  expect_entries(0);
}

Test(cache, mistakes_are_told) {
  static const struct {
    const char *arguments;
    const char *text;
  } rows[] = {
      {"cache", "a command is missing"},
      {"cache clean", "there is no command \"clean\""},
      {"cache ls x", "unexpected argument \"x\""},
      {"cache rm", "give either keys or --all"},
      {"cache rm 12", "\"12\" is no key"},
      {"cache rm ../../etc", "is no key"},
      {"cache rm --all 1234567890", "give either keys or --all"},
      {"cache prune", "give --bytes or --days"},
      {"cache prune --days x", "--days is \"x\""},
      {"cache prune --bytes", "option --bytes needs a value"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    command(&output, rows[i].arguments);
    expect_code(&output, 2);
    expect_text(output.err, rows[i].text);
    cr_expect_str_empty(output.out, "%s", rows[i].arguments);
  }
}
