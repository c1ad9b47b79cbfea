/* Find and publish on a healthy file system. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cache_store, .init = scratch_begin, .fini = scratch_end);

static cache_store *store_with(const char *read_only, const char *user, cache_reason *reason) {
  cache_config config = {.read_only = read_only, .user = user};
  cache_store *store = cache_store_open(&config, &cache_io_posix, reason);
  cr_assert_not_null(store);
  return store;
}

static void publish_toolchain(cache_store *store, unsigned number, const char *toolchain) {
  sample made;
  cache_reason reason;
  sample_make(&made, number, 100);
  made.entry.toolchain = toolchain;
  cr_assert(cache_store_publish(store, &made.entry, &reason), "%s", reason.text);
  sample_free(&made);
}

static void expect_toolchain(cache_store *store, unsigned number, const char *asked, const char *expected) {
  cache_key key = sample_key(number);
  cache_found found;
  cache_reason reason;
  bool is_found = cache_store_find(store, &key, asked, &found, &reason);
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
  cache_store *store = store_on(root, &cache_io_posix);
  sample made;
  cache_found found;
  cache_reason reason;
  sample_make(&made, 3, 60000);

  cr_expect(!cache_store_find(store, &made.entry.key, SAMPLE_TOOLCHAIN, &found, &reason));
  cr_expect_str_empty(reason.text, "a plain miss has no reason");
  cr_assert(cache_store_publish(store, &made.entry, &reason), "%s", reason.text);
  cr_assert(cache_store_find(store, &made.entry.key, SAMPLE_TOOLCHAIN, &found, &reason), "%s", reason.text);
  cr_expect(sample_equals(&made, &found.entry));
  char *path = entry_file(root, &made.entry.key, SAMPLE_TOOLCHAIN);
  cr_expect_str_eq(found.path, path);
  cr_expect_eq(found.layer, 0);

  cache_counters counters = cache_store_counters(store);
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

Test(cache_store, missing_parents_are_made_for_the_owner_alone) {
  umask(0);
  char *root = scratch_path("a/b/c"), *path = scratch_path("a/b/c");
  cache_store *store = store_on(root, &cache_io_posix);
  cr_expect(publish_sample(store, 1));
  cache_key key = sample_key(1);
  char *file = entry_file(root, &key, SAMPLE_TOOLCHAIN);
  struct stat status;
  cr_expect(stat(file, &status) == 0 && (status.st_mode & 07777) == 0600);
  for (char *directory = strdup(file), *slash; (slash = strrchr(directory, '/')) != NULL;) {
    *slash = '\0';
    if (strcmp(directory, scratch) == 0) {
      free(directory);
      break;
    }
    cr_expect(stat(directory, &status) == 0 && (status.st_mode & 07777) == 0700, "%s", directory);
  }
  cache_store_close(store);
  free(file);
  free(path);
  free(root);
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
  cache_store *store = store_on(NULL, &cache_io_posix);
  cache_key key = sample_key(1);
  cache_lock lock;
  cache_reason reason;
  cr_expect(!publish_sample(store, 1));
  cr_expect(!finds_sample(store, 1));
  cr_expect_eq(cache_store_lock(store, &key, 1000, &lock, &reason), CACHE_LOCK_UNAVAILABLE);
  cache_store_unlock(store, &lock);
  cr_expect_eq(cache_store_counters(store).publish_failures, 0, "nothing was asked for, so nothing failed");
  cache_store_close(store);
}

Test(cache_store, toolchains_live_side_by_side) {
  cache_store *store = store_on(scratch, &cache_io_posix);
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
  cache_store *store = store_on(scratch, &cache_io_posix);
  for (unsigned i = 0; i < 40; i++) {
    char toolchain[CACHE_TOOLCHAIN_MAX + 1];
    snprintf(toolchain, sizeof toolchain, "nv13.%u", i * 7 % 40);
    publish_toolchain(store, 1, toolchain);
  }
  expect_toolchain(store, 1, NULL, "nv13.39");
  cache_store_close(store);
}

Test(cache_store, damaged_newest_toolchain_gives_way_to_the_next) {
  cache_store *store = store_on(scratch, &cache_io_posix);
  publish_toolchain(store, 1, "nv13.0");
  publish_toolchain(store, 1, "nv12.9");
  cache_key key = sample_key(1);
  char *newest = entry_file(scratch, &key, "nv13.0");
  damage(newest);
  expect_toolchain(store, 1, NULL, "nv12.9");
  cr_expect(!file_exists(newest));
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cache_store_close(store);
  free(newest);
}

Test(cache_store, damaged_entry_is_a_miss_and_deleted) {
  cache_store *store = store_on(scratch, &cache_io_posix);
  cache_key key = sample_key(1);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  cr_assert(publish_sample(store, 1));
  damage(path);
  cache_found found;
  cache_reason reason;
  cr_expect(!cache_store_find(store, &key, SAMPLE_TOOLCHAIN, &found, &reason));
  cr_expect(strstr(reason.text, "checksum does not match; ") && strstr(reason.text, "is damaged"), "%s",
            reason.text);
  cr_expect(!file_exists(path));
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  free(path);
}

Test(cache_store, files_of_impossible_size_are_deleted) {
  cache_store *store = store_on(scratch, &cache_io_posix);
  cache_key key = sample_key(1);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  const off_t sizes[] = {0, 1, (off_t)CACHE_ENTRY_SIZE_MAX + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    cr_assert(publish_sample(store, 1));
    cr_assert_eq(truncate(path, sizes[i]), 0);
    cr_expect(!finds_sample(store, 1));
    cr_expect(!file_exists(path), "%lld bytes", (long long)sizes[i]);
  }
  cache_store_close(store);
  free(path);
}

/* An undamaged entry under the name of another. */
Test(cache_store, renamed_entries_are_refused) {
  cache_store *store = store_on(scratch, &cache_io_posix);
  cache_key one = sample_key(1), two = sample_key(2);
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
  cache_store *store = store_on(scratch, &cache_io_posix);
  sample made;
  cache_reason reason;
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

Test(cache_store, layers_are_asked_in_order) {
  char *a = scratch_path("a"), *b = scratch_path("b"), *user = scratch_path("user"), *list;
  cr_assert(asprintf(&list, "%s::%s/missing:%s", a, scratch, b) > 0);
  unsigned numbers[] = {1, 2, 3};
  const char *roots[] = {a, b, user};
  for (size_t i = 0; i < 3; i++) {
    cache_store *one = store_on(roots[i], &cache_io_posix);
    for (size_t j = i; j < 3; j++)
      cr_assert(publish_sample(one, numbers[j]));
    cache_store_close(one);
  }
  cache_reason reason;
  cache_store *store = store_with(list, user, &reason);
  cr_expect(strstr(reason.text, "missing: does not exist"), "%s", reason.text);
  const size_t expected[] = {0, 0, 0};
  const size_t expected_without_a[] = {2, 2, 2};
  for (int round = 0; round < 2; round++) {
    for (size_t j = 0; j < 3; j++) {
      cache_key key = sample_key(numbers[j]);
      cache_found found;
      bool is_found = cache_store_find(store, &key, SAMPLE_TOOLCHAIN, &found, &reason);
      cr_assert(is_found || (round == 1 && j == 0), "%s", reason.text);
      if (!is_found)
        continue;
      cr_expect_eq(found.layer, round == 0 ? expected[j] : expected_without_a[j], "sample %u", numbers[j]);
      cache_found_free(&found);
    }
    char *gone = entry_file(a, &(cache_key){{SAMPLE_SUBDIRECTORY}}, "x");
    *strrchr(gone, '/') = '\0';
    char *moved = scratch_path("moved");
    cr_assert(round == 1 || rename(gone, moved) == 0);
    free(moved);
    free(gone);
  }
  cache_store_close(store);
  free(list);
  free(a);
  free(b);
  free(user);
}

Test(cache_store, read_only_layers_are_not_changed) {
  char *system = scratch_path("system"), *user = scratch_path("user");
  cache_reason reason;
  cache_store *maker = store_on(system, &cache_io_posix);
  cr_assert(publish_sample(maker, 1) && publish_sample(maker, 2));
  cache_store_close(maker);
  cache_key one = sample_key(1), two = sample_key(2);
  char *damaged = entry_file(system, &one, SAMPLE_TOOLCHAIN),
       *good = entry_file(system, &two, SAMPLE_TOOLCHAIN);
  damage(damaged);
  cr_assert(file_set_age(good, 100000));
  struct stat before, after;
  cr_assert_eq(stat(good, &before), 0);

  cache_store *store = store_with(system, user, &reason);
  cr_expect(!finds_sample(store, 1));
  cr_expect(file_exists(damaged), "not ours to delete");
  cr_expect_eq(cache_store_counters(store).damaged, 1);
  cr_expect(finds_sample(store, 2));
  cr_assert_eq(stat(good, &after), 0);
  cr_expect_eq(before.st_mtime, after.st_mtime, "not ours to touch");
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1),
            "the user's copy stands in for the damaged one");
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
  cache_store *store = store_on(scratch, &cache_io_posix);
  cache_key key = sample_key(1);
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
  fault state = {.operations = FAULT_SYNC};
  cache_io io = fault_io(&state);
  cache_reason reason;
  for (int sync = 0; sync < 2; sync++) {
    cache_config config = {.user = scratch, .sync = sync == 1};
    cache_store *store = cache_store_open(&config, &io, &reason);
    cr_assert(publish_sample(store, 1));
    cr_expect_eq(state.calls, sync == 1 ? 2 : 0);
    cache_store_close(store);
  }
}

/* The store's directory vanishes under a running process: it goes on without. */
Test(cache_store, a_deleted_directory_is_survived) {
  char *root = scratch_path("cache"), *moved = scratch_path("moved");
  cache_store *store = store_on(root, &cache_io_posix);
  cr_assert_eq(rename(root, moved), 0);
  char *v1 = scratch_path("moved/v1");
  cr_assert_eq(rmdir(v1), 0);
  sample made;
  cache_reason reason;
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
    cache_store *store = store_on(root, &cache_io_posix);
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
