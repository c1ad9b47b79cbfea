/* The order in which the entries of a key are found. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WALK_SIZE = 2048 };

static char *roots[3];

static void put(const char *root, const char *toolchain) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  struct sample made;
  struct cache_reason reason;
  sample_make(&made, 1, 100);
  made.entry.toolchain = toolchain;
  cr_assert(cache_store_publish(store, &made.entry, &reason), "%s", reason.text);
  sample_free(&made);
  cache_store_close(store);
}

/* Two read-only layers and the user's own. */
static void begin(void) {
  static const struct {
    size_t layer;
    const char *toolchain;
  } entries[] = {{0, "nv13.0"}, {0, "nv12.9"}, {1, "nv13.9"}, {1, "nv13.10"},
                 {1, "nv13.0"}, {2, "nv12.8"}, {2, "nv13.0"}};
  scratch_begin();
  roots[0] = scratch_path("first");
  roots[1] = scratch_path("second");
  roots[2] = scratch_path("user");
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
    put(roots[entries[i].layer], entries[i].toolchain);
}

static void end(void) {
  for (size_t i = 0; i < 3; i++)
    free(roots[i]);
  scratch_end();
}

TestSuite(cache_find, .init = begin, .fini = end);

static struct cache_store *open_layers(const struct cache_io *io) {
  char read_only[2 * SCRATCH_PATH_SIZE];
  struct cache_reason reason;
  snprintf(read_only, sizeof read_only, "%s:%s", roots[0], roots[1]);
  struct cache_store *store =
      cache_store_open(&(struct cache_config){.read_only = read_only, .user = roots[2]}, io, &reason);
  cr_assert_not_null(store);
  return store;
}

static void append(char walk[WALK_SIZE], const struct cache_found *found) {
  const size_t used = strlen(walk);
  snprintf(walk + used, WALK_SIZE - used, "%s%zu:%s", used ? " " : "", found->layer, found->entry.toolchain);
}

/* All entries of the key, as "layer:toolchain ...". */
static void walk_all(struct cache_store *store, const char *toolchain, char walk[WALK_SIZE]) {
  const struct cache_key key = sample_key(1);
  struct cache_found found;
  struct cache_reason reason;
  walk[0] = '\0';
  bool is_found = cache_store_find(store, &key, toolchain, &found, &reason);
  for (; is_found; is_found = cache_store_find_next(store, toolchain, &found, &reason))
    append(walk, &found);
}

static void expect_walk(struct cache_store *store, const char *toolchain, const char *expected) {
  char walk[WALK_SIZE];
  walk_all(store, toolchain, walk);
  cr_expect_str_eq(walk, expected, "from %s: %s", toolchain ? toolchain : "any", walk);
}

Test(cache_find, order) {
  static const char *const orders[][2] = {
      {NULL, "0:nv13.0 0:nv12.9 1:nv13.10 1:nv13.9 1:nv13.0 2:nv13.0 2:nv12.8"},
      {"nv13.0", "0:nv13.0 1:nv13.0 2:nv13.0 0:nv12.9 1:nv13.10 1:nv13.9 2:nv12.8"},
      {"nv12.8", "2:nv12.8 0:nv13.0 0:nv12.9 1:nv13.10 1:nv13.9 1:nv13.0 2:nv13.0"},
      {"nv13.1", "0:nv13.0 0:nv12.9 1:nv13.10 1:nv13.9 1:nv13.0 2:nv13.0 2:nv12.8"},
  };
  struct cache_store *store = open_layers(&cache_io_posix);
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
    expect_walk(store, orders[i][0], orders[i][1]);
  cr_expect_eq(cache_store_counters(store).hits, 28);
  cr_expect_eq(cache_store_counters(store).misses, 4);
  cache_store_close(store);
}

Test(cache_find, damaged_entries_are_passed_over) {
  static const struct {
    size_t layer;
    const char *toolchain;
  } damaged[] = {{0, "nv12.9"}, {1, "nv13.10"}, {2, "nv13.0"}};
  const struct cache_key key = sample_key(1);
  for (size_t i = 0; i < 3; i++) {
    char *path = entry_file(roots[damaged[i].layer], &key, damaged[i].toolchain);
    cr_assert(file_put(path, "damaged", 7));
    free(path);
  }
  struct cache_store *store = open_layers(&cache_io_posix);
  expect_walk(store, NULL, "0:nv13.0 1:nv13.9 1:nv13.0 2:nv12.8");
  expect_walk(store, "nv13.0", "0:nv13.0 1:nv13.0 1:nv13.9 2:nv12.8");
  cache_store_close(store);
}

Test(cache_find, no_toolchain_is_too_many) {
  enum { MANY = 40 };
  char expected[WALK_SIZE] = "";
  for (unsigned i = 0; i < MANY; i++) {
    char toolchain[CACHE_TOOLCHAIN_MAX + 1];
    snprintf(toolchain, sizeof toolchain, "nv20.%u", i * 7 % MANY);
    put(roots[2], toolchain);
  }
  for (unsigned i = MANY; i-- > 0;) {
    const size_t used = strlen(expected);
    snprintf(expected + used, sizeof expected - used, "0:nv20.%u ", i);
  }
  strcat(expected, "0:nv13.0 0:nv12.8");
  struct cache_store *store = store_on(roots[2], &cache_io_posix);
  expect_walk(store, NULL, expected);
  cache_store_close(store);
}

/* Another process evicts what was found, and publishes. */
Test(cache_find, goes_on_in_a_directory_that_changes) {
  const struct cache_key key = sample_key(1);
  struct cache_store *store = open_layers(&cache_io_posix);
  struct cache_found found;
  struct cache_reason reason;
  char walk[WALK_SIZE] = "";
  char *path = entry_file(roots[1], &key, "nv13.10");
  bool is_found = cache_store_find(store, &key, NULL, &found, &reason);
  for (; is_found; is_found = cache_store_find_next(store, NULL, &found, &reason)) {
    append(walk, &found);
    if (strcmp(found.path, path) == 0) {
      cr_assert_eq(unlink(path), 0);
      put(roots[1], "nv13.11");
      put(roots[1], "nv13.8");
    }
  }
  cr_expect_str_eq(walk, "0:nv13.0 0:nv12.9 1:nv13.10 1:nv13.9 1:nv13.8 1:nv13.0 2:nv13.0 2:nv12.8", "%s", walk);
  cache_store_close(store);
  free(path);
}

/* With a compiler at hand that must have made it. */
Test(cache_find, only_those_of_a_toolchain) {
  const struct cache_key key = sample_key(1);
  struct cache_store *store = open_layers(&cache_io_posix);
  struct cache_found found;
  struct cache_reason reason;
  cr_assert(cache_store_find_own(store, &key, "nv12.8", &found, &reason), "%s", reason.text);
  cr_expect_eq(found.layer, 2);
  cache_found_free(&found);
  cr_expect_not(cache_store_find_own(store, &key, "nv13.1", &found, &reason));
  cache_store_close(store);
}

/* What a hit costs: the subdirectory and one file. */
Test(cache_find, the_first_is_found_without_reading_others) {
  static const char *const toolchains[] = {NULL, "nv13.0"};
  const struct cache_key key = sample_key(1);
  for (size_t i = 0; i < 2; i++) {
    struct fault state = {0};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = open_layers(&io);
    struct cache_found found;
    struct cache_reason reason;
    state.operations = FAULT_OPEN | FAULT_LIST;
    state.calls = 0;
    cr_assert(cache_store_find(store, &key, toolchains[i], &found, &reason));
    cr_expect_eq(state.calls, toolchains[i] ? 2 : 3, "%u calls", state.calls);
    cache_found_free(&found);
    cache_store_close(store);
  }
}

/* A directory that cannot be listed ends its layer. */
Test(cache_find, an_unlistable_directory_is_passed_over) {
  const struct cache_key key = sample_key(1);
  struct fault state = {.operations = FAULT_LIST, .fail_at = 2, .error = EIO};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = open_layers(&io);
  struct cache_found found;
  struct cache_reason reason;
  state.calls = 0;
  cr_assert(cache_store_find(store, &key, NULL, &found, &reason));
  cr_assert(cache_store_find_next(store, NULL, &found, &reason), "%s", reason.text);
  cr_expect_eq(found.layer, 1);
  cr_expect(strstr(reason.text, "cannot list ab"), "%s", reason.text);
  cache_found_free(&found);
  cache_store_close(store);
}
