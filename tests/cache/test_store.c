/* Find and publish on a healthy file system. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cache_store, .init = scratch_begin, .fini = scratch_end);

static struct cache_store *store_with(const char *read_only, const char *user, struct cache_reason *reason) {
  struct cache_config config = {.read_only = read_only, .user = user};
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, reason);
  cr_assert_not_null(store);
  return store;
}

static void publish_toolchain(struct cache_store *store, unsigned number, const char *toolchain) {
  struct sample made;
  struct cache_reason reason;
  sample_make(&made, number, 100);
  made.entry.toolchain = toolchain;
  cr_assert(cache_store_publish(store, &made.entry, &reason), "%s", reason.text);
  sample_free(&made);
}

static void expect_toolchain(struct cache_store *store, unsigned number, const char *asked, const char *expected) {
  struct cache_key key = sample_key(number);
  struct cache_found found;
  struct cache_reason reason;
  bool is_found = asked ? cache_store_find_own(store, &key, asked, &found, &reason)
                        : cache_store_find(store, &key, NULL, &found, &reason);
  cr_expect_eq(is_found, expected != NULL, "%s: %s", asked, reason.text);
  if (!is_found)
    return;
  cr_expect_str_eq(found.entry.toolchain, expected);
  cache_found_free(&found);
}

static void damage(const char *path) {
  size_t size;
  unsigned char *bytes = file_bytes(path, &size);
  cr_assert_not_null(bytes);
  bytes[size / 2] ^= 1;
  cr_assert(file_put(path, bytes, size));
  free(bytes);
}

Test(cache_store, publish_then_find) {
  char *root = scratch_path("cache");
  struct cache_store *store = store_on(root, &cache_io_posix);
  struct sample made;
  struct cache_found found;
  struct cache_reason reason;
  sample_make(&made, 3, 60000);

  cr_expect(!cache_store_find_own(store, &made.entry.key, SAMPLE_TOOLCHAIN, &found, &reason));
  cr_expect_str_empty(reason.text, "a plain miss has no reason");
  cr_assert(cache_store_publish(store, &made.entry, &reason), "%s", reason.text);
  cr_assert(cache_store_find_own(store, &made.entry.key, SAMPLE_TOOLCHAIN, &found, &reason), "%s", reason.text);
  cr_expect(sample_equals(&made, &found.entry));
  char *path = entry_file(root, &made.entry.key, SAMPLE_TOOLCHAIN);
  cr_expect_str_eq(found.path, path);
  cr_expect_eq(found.layer, 0);

  struct cache_counters counters = cache_store_counters(store);
  cr_expect_eq(counters.hits, 1);
  cr_expect_eq(counters.misses, 1);
  cr_expect_eq(counters.published, 1);
  cr_expect_eq(counters.damaged + counters.publish_failures + counters.evicted, 0);
  cache_found_free(&found);
  cache_store_close(store);
  sample_free(&made);
  free(path);
  free(root);
}

/* All that a first publication makes, and that others may read of it only when they are meant to. */
Test(cache_store, missing_parents_are_made) {
  static const struct {
    const char *path;
    mode_t modes[2]; /* for the owner alone, shared */
  } expected[] = {{"a", {0700, 0755}},
                  {"a/b", {0700, 0755}},
                  {"a/b/v1", {0700, 0755}},
                  {"a/b/v1/ab", {0700, 0755}},
                  {"a/b/flashjit.lock", {0600, 0600}},
                  {"a/b/CACHEDIR.TAG", {0600, 0644}}};
  umask(0);
  for (int shared = 0; shared < 2; shared++) {
    char *place = scratch_path(shared ? "shared" : "own");
    char root[SCRATCH_PATH_SIZE];
    struct cache_reason reason;
    struct stat status;
    snprintf(root, sizeof root, "%s/a/b", place);
    const struct cache_config config = {.user = root, .shared = shared};
    struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
    cr_expect(publish_sample(store, 1));
    cache_store_close(store);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
      char path[2 * SCRATCH_PATH_SIZE];
      snprintf(path, sizeof path, "%s/%s", place, expected[i].path);
      cr_assert_eq(stat(path, &status), 0, "%s", path);
      cr_expect_eq(status.st_mode & 07777, expected[i].modes[shared], "%s has %04o", path, status.st_mode & 07777);
    }
    struct cache_key key = sample_key(1);
    char *file = entry_file(root, &key, SAMPLE_TOOLCHAIN);
    cr_expect(stat(file, &status) == 0 && (status.st_mode & 07777) == (shared ? 0644 : 0600));
    free(file);
    free(place);
  }
}

Test(cache_store, backups_are_told_to_stay_away) {
  char *root = scratch_path("cache"), *tag = scratch_path("cache/CACHEDIR.TAG");
  cache_store_close(store_on(root, &cache_io_posix));
  size_t size;
  unsigned char *text = file_bytes(tag, &size);
  cr_assert_not_null(text);
  cr_expect_eq(strncmp((const char *)text, "Signature: 8a477f597d28d172789f06886806bc55\n", 44), 0);
  cr_assert(file_put(tag, "mine", 4));
  cache_store_close(store_on(root, &cache_io_posix));
  free(text);
  text = file_bytes(tag, &size);
  cr_expect_eq(size, 4, "a tag that is there is left alone");
  free(text);
  free(tag);
  free(root);
}

Test(cache_store, memory_only) {
  struct cache_store *store = store_on(NULL, &cache_io_posix);
  struct cache_key key = sample_key(1);
  struct cache_lock lock;
  struct cache_reason reason;
  cr_expect(!publish_sample(store, 1));
  cr_expect(!finds_sample(store, 1));
  cr_expect_eq(cache_store_lock(store, &key, 1000, &lock, &reason), CACHE_LOCK_UNAVAILABLE);
  cache_store_unlock(store, &lock);
  cr_expect_eq(cache_store_counters(store).publish_failures, 0, "nothing was asked for, so nothing failed");
  cache_store_close(store);
}

Test(cache_store, toolchains_live_side_by_side) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  publish_toolchain(store, 1, "nv13.0-aaaaaaaa");
  publish_toolchain(store, 1, "nv12.9-bbbbbbbb");
  expect_toolchain(store, 1, "nv13.0-aaaaaaaa", "nv13.0-aaaaaaaa");
  expect_toolchain(store, 1, "nv12.9-bbbbbbbb", "nv12.9-bbbbbbbb");
  expect_toolchain(store, 1, "nv13.1-cccccccc", NULL);
  expect_toolchain(store, 1, NULL, "nv13.0-aaaaaaaa");
  publish_toolchain(store, 1, "nv13.10-cccccccc");
  publish_toolchain(store, 1, "nv13.9-dddddddd");
  expect_toolchain(store, 1, NULL, "nv13.10-cccccccc");
  expect_toolchain(store, 2, NULL, NULL);
  cache_store_close(store);
}

Test(cache_store, newest_of_many_toolchains) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  for (unsigned i = 0; i < 40; i++) {
    char toolchain[CACHE_TOOLCHAIN_MAX + 1];
    snprintf(toolchain, sizeof toolchain, "nv13.%u", i * 7 % 40);
    publish_toolchain(store, 1, toolchain);
  }
  expect_toolchain(store, 1, NULL, "nv13.39");
  cache_store_close(store);
}

Test(cache_store, damaged_newest_toolchain_gives_way_to_the_next) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  publish_toolchain(store, 1, "nv13.0");
  publish_toolchain(store, 1, "nv12.9");
  struct cache_key key = sample_key(1);
  char *newest = entry_file(scratch, &key, "nv13.0");
  damage(newest);
  expect_toolchain(store, 1, NULL, "nv12.9");
  cr_expect(!file_exists(newest));
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cache_store_close(store);
  free(newest);
}

Test(cache_store, damaged_entry_is_a_miss_and_deleted) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_key key = sample_key(1);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  cr_assert(publish_sample(store, 1));
  damage(path);
  struct cache_found found;
  struct cache_reason reason;
  cr_expect(!cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason));
  cr_expect(strstr(reason.text, "checksum does not match; ") && strstr(reason.text, "is damaged"), "%s", reason.text);
  cr_expect(!file_exists(path));
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  free(path);
}

Test(cache_store, files_of_impossible_size_are_deleted) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_key key = sample_key(1);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  static const struct {
    off_t size;
    const char *reason;
  } cases[] = {
      {0, "has 0 bytes"},
      {1, "1 bytes are less than a header"},
      {(off_t)CACHE_ENTRY_SIZE_MAX + 1, "has 67108865 bytes"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct cache_found found;
    struct cache_reason reason;
    cr_assert(publish_sample(store, 1));
    cr_assert_eq(truncate(path, cases[i].size), 0);
    cr_expect(!cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason));
    cr_expect(strstr(reason.text, cases[i].reason), "%s", reason.text);
    cr_expect(!file_exists(path), "%lld bytes", (long long)cases[i].size);
  }
  cache_store_close(store);
  free(path);
}

/* An undamaged entry under the name of another. */
Test(cache_store, renamed_entries_are_refused) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_key one = sample_key(1), two = sample_key(2);
  char *paths[] = {entry_file(scratch, &one, SAMPLE_TOOLCHAIN), entry_file(scratch, &two, SAMPLE_TOOLCHAIN),
                   entry_file(scratch, &one, "nv13.0")};
  cr_assert(publish_sample(store, 1));
  cr_assert_eq(link(paths[0], paths[1]), 0);
  cr_assert_eq(link(paths[0], paths[2]), 0);
  cr_expect(!finds_sample(store, 2), "another key");
  expect_toolchain(store, 1, "nv13.0", NULL);
  cr_expect(finds_sample(store, 1));
  cr_expect(!file_exists(paths[1]) && !file_exists(paths[2]));
  cache_store_close(store);
  for (size_t i = 0; i < 3; i++)
    free(paths[i]);
}

Test(cache_store, entries_that_would_be_refused_are_not_published) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct sample made;
  struct cache_reason reason;
  sample_make(&made, 1, 100);
  made.entry.symbol = "other";
  cr_expect(!cache_store_publish(store, &made.entry, &reason));
  cr_expect(strstr(reason.text, "PTX has no entry \"other\""), "%s", reason.text);
  made.entry.symbol = "fi_kernel";
  made.entry.facts.threads = 0;
  cr_expect(!cache_store_publish(store, &made.entry, &reason));
  cr_expect(strstr(reason.text, "threads is 0"), "%s", reason.text);
  cr_expect_eq(cache_store_counters(store).publish_failures, 2);
  char *directory = scratch_path("v1/ab");
  cr_expect(!file_exists(directory), "nothing was touched");
  cache_store_close(store);
  sample_free(&made);
  free(directory);
}

/* Sample 1 is in all layers, 2 in the last two, 3 in the user's own. A layer that is missing keeps its
 * position. */
Test(cache_store, layers_are_asked_in_order) {
  char *roots[] = {scratch_path("a"), scratch_path("b"), scratch_path("user")}, *list;
  for (unsigned i = 0; i < 3; i++) {
    struct cache_store *maker = store_on(roots[i], &cache_io_posix);
    for (unsigned number = 1; number <= i + 1; number++)
      cr_assert(publish_sample(maker, number));
    cache_store_close(maker);
  }
  cr_assert(asprintf(&list, "%s::%s/missing:%s", roots[0], scratch, roots[1]) > 0);
  struct cache_reason reason;
  struct cache_store *store = store_with(list, roots[2], &reason);
  cr_expect(strstr(reason.text, "missing: does not exist"), "%s", reason.text);

  static const size_t layers[] = {0, 2, 3};
  for (unsigned i = 0; i < 3; i++) {
    struct cache_key key = sample_key(i + 1);
    struct cache_found found;
    cr_assert(cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason), "%s", reason.text);
    cr_expect_eq(found.layer, layers[i], "sample %u in layer %zu", i + 1, found.layer);
    cr_expect_eq(strncmp(found.path, roots[i], strlen(roots[i])), 0, "%s", found.path);
    cache_found_free(&found);
  }
  cache_store_close(store);
  free(list);
  for (unsigned i = 0; i < 3; i++)
    free(roots[i]);
}

Test(cache_store, read_only_layers_are_not_changed) {
  char *system = scratch_path("system"), *user = scratch_path("user");
  struct cache_reason reason;
  struct cache_store *maker = store_on(system, &cache_io_posix);
  cr_assert(publish_sample(maker, 1) && publish_sample(maker, 2));
  cache_store_close(maker);
  struct cache_key one = sample_key(1), two = sample_key(2);
  char *damaged = entry_file(system, &one, SAMPLE_TOOLCHAIN), *good = entry_file(system, &two, SAMPLE_TOOLCHAIN);
  damage(damaged);
  cr_assert(file_set_age(good, 100000));
  struct stat before, after;
  cr_assert_eq(stat(good, &before), 0);

  struct cache_store *store = store_with(system, user, &reason);
  cr_expect(!finds_sample(store, 1));
  cr_expect(file_exists(damaged), "not ours to delete");
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cr_expect(finds_sample(store, 2));
  cr_assert_eq(stat(good, &after), 0);
  cr_expect_eq(before.st_mtime, after.st_mtime, "not ours to touch");
  struct cache_store *system_only = store_with(system, NULL, &reason);
  cr_expect(!publish_sample(system_only, 3) && !finds_sample(system_only, 3));
  cache_store_close(system_only);
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1), "the user's copy stands in for the damaged one");
  char *published = entry_file(user, &one, SAMPLE_TOOLCHAIN);
  cr_expect(file_exists(published));
  cache_store_close(store);
  free(published);
  free(damaged);
  free(good);
  free(system);
  free(user);
}

Test(cache_store, a_hit_is_remembered_once_an_hour) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_key key = sample_key(1);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  cr_assert(publish_sample(store, 1));
  const long ages[] = {600, 7200};
  for (size_t i = 0; i < 2; i++) {
    struct stat before, after;
    cr_assert(file_set_age(path, ages[i]) && stat(path, &before) == 0);
    cr_expect(finds_sample(store, 1));
    cr_assert_eq(stat(path, &after), 0);
    cr_expect_eq(after.st_mtime > before.st_mtime, ages[i] > 3600, "after %ld seconds", ages[i]);
  }
  cache_store_close(store);
  free(path);
}

Test(cache_store, sync_flushes_file_and_directory) {
  struct fault state = {.operations = FAULT_SYNC};
  struct cache_io io = fault_io(&state);
  struct cache_reason reason;
  for (int sync = 0; sync < 2; sync++) {
    struct cache_config config = {.user = scratch, .sync = sync == 1};
    struct cache_store *store = cache_store_open(&config, &io, &reason);
    cr_assert(publish_sample(store, 1));
    cr_expect_eq(state.calls, sync == 1 ? 2 : 0);
    cache_store_close(store);
  }
}

/* The store's directory vanishes under a running process: it goes on without. */
Test(cache_store, a_deleted_directory_is_survived) {
  char *root = scratch_path("cache"), *moved = scratch_path("moved");
  struct cache_store *store = store_on(root, &cache_io_posix);
  cr_assert_eq(rename(root, moved), 0);
  char *v1 = scratch_path("moved/v1");
  cr_assert_eq(rmdir(v1), 0);
  struct sample made;
  struct cache_reason reason;
  sample_make(&made, 1, 100);
  cr_expect(!cache_store_publish(store, &made.entry, &reason));
  cr_expect_str_not_empty(reason.text);
  cr_expect(!finds_sample(store, 1));
  cache_store_close(store);
  sample_free(&made);
  free(v1);
  free(root);
  free(moved);
}

/* Everything at once from processes that begin with nothing, not even the directory. */
Test(cache_store, two_hundred_processes_share_a_directory) {
  enum { PROCESSES = 200, ENTRIES = 10 };
  char *root = scratch_path("deep/cache");
  for (unsigned i = 0; i < PROCESSES; i++) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child != 0)
      continue;
    struct cache_store *store = store_on(root, &cache_io_posix);
    bool good = true;
    for (unsigned number = 0; number < ENTRIES; number++)
      good &= publish_sample(store, (number + i) % ENTRIES) && finds_sample(store, (number + i) % ENTRIES);
    good &= cache_store_counters(store).damaged == 0;
    cache_store_close(store);
    _exit(good ? 0 : 1);
  }
  unsigned failed = 0;
  for (unsigned i = 0; i < PROCESSES; i++) {
    int status;
    cr_assert_gt(wait(&status), 0);
    failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  }
  cr_expect_eq(failed, 0);
  char *directory = scratch_path("deep/cache/v1/ab");
  cr_expect_eq(count_names(directory, cache_is_file_name), ENTRIES);
  cr_expect_eq(count_names(directory, cache_is_temporary_name), 0);
  free(directory);
  free(root);
}
