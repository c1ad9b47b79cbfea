/* The user directory stays near its budget, and what was used longest ago goes first. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(cache_evict, .init = scratch_begin, .fini = scratch_end);

/* `share` bytes for the one subdirectory that all samples are in. */
static struct cache_store *store_with_share(uint64_t share, const struct cache_io *io) {
  struct cache_reason reason;
  struct cache_config config = {.user = scratch, .budget = share * CACHE_SUBDIRECTORIES};
  return cache_store_open(&config, io, &reason);
}

static char *sample_path(unsigned number) {
  struct cache_key key = sample_key(number);
  return entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
}

static bool sample_exists(unsigned number) {
  char *path = sample_path(number);
  bool exists = file_exists(path);
  free(path);
  return exists;
}

static uint64_t sample_file_size(void) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  cr_assert(publish_sample(store, 1));
  cache_store_close(store);
  char *path = sample_path(1);
  struct stat status;
  cr_assert(stat(path, &status) == 0 && unlink(path) == 0);
  free(path);
  return (uint64_t)status.st_size;
}

static void set_sample_age(unsigned number, long seconds) {
  char *path = sample_path(number);
  cr_assert(file_set_age(path, seconds));
  free(path);
}

Test(cache_evict, oldest_go_first_down_to_four_fifths) {
  uint64_t size = sample_file_size();
  struct cache_store *store = store_with_share(10 * size, &cache_io_posix);
  static const unsigned by_age[] = {4, 9, 1, 7, 2, 10, 5, 3, 8, 6}; /* oldest first */
  for (unsigned i = 0; i < 10; i++)
    cr_assert(publish_sample(store, by_age[i]));
  for (unsigned i = 0; i < 10; i++)
    set_sample_age(by_age[i], 1000 - 10 * (long)i);
  cr_expect_eq(cache_store_counters(store).evicted, 0, "ten just fit");
  cr_assert(publish_sample(store, 11));
  cr_expect_eq(cache_store_counters(store).evicted, 3, "eleven become eight");
  for (unsigned i = 0; i < 10; i++)
    cr_expect_eq(sample_exists(by_age[i]), i >= 3, "sample %u", by_age[i]);
  cr_expect(sample_exists(11));
  cache_store_close(store);
}

Test(cache_evict, a_hit_saves_an_old_entry) {
  uint64_t size = sample_file_size();
  struct cache_store *store = store_with_share(3 * size, &cache_io_posix);
  for (unsigned i = 1; i <= 3; i++) {
    cr_assert(publish_sample(store, i));
    set_sample_age(i, 100000 - 10 * (long)i);
  }
  cr_assert(finds_sample(store, 1));
  cr_assert(publish_sample(store, 4));
  cr_expect(sample_exists(1) && !sample_exists(2) && !sample_exists(3) && sample_exists(4));
  cache_store_close(store);
}

Test(cache_evict, never_more_than_the_share) {
  uint64_t size = sample_file_size();
  struct cache_store *store = store_with_share(20 * size, &cache_io_posix);
  char *directory = scratch_path("v1/ab");
  for (unsigned i = 0; i < 200; i++) {
    cr_assert(publish_sample(store, i));
    cr_assert_leq(count_names(directory, cache_is_file_name), 20);
    cr_assert(sample_exists(i), "what was just published stays");
  }
  cr_expect_gt(cache_store_counters(store).evicted, 175);
  cache_store_close(store);
  free(directory);
}

Test(cache_evict, an_entry_larger_than_the_share_is_kept_until_the_next) {
  struct cache_store *store = store_with_share(1, &cache_io_posix);
  cr_assert(publish_sample(store, 1));
  cr_expect(sample_exists(1));
  cr_assert(publish_sample(store, 2));
  cr_expect(!sample_exists(1) && sample_exists(2));
  cache_store_close(store);
}

Test(cache_evict, other_files_are_left_alone) {
  struct cache_store *store = store_with_share(1, &cache_io_posix);
  char *note = scratch_path("v1/ab/README"), *almost = scratch_path("v1/ab/0123456789abcdef-nv13.0.fik");
  cr_assert(publish_sample(store, 1) && file_put(note, "hello", 5) && file_put(almost, "hello", 5));
  cr_assert(file_set_age(note, 1000000) && file_set_age(almost, 1000000));
  cr_assert(publish_sample(store, 2));
  cr_expect(file_exists(note) && file_exists(almost));
  cache_store_close(store);
  free(note);
  free(almost);
}

Test(cache_evict, forgotten_temporary_files_go_after_a_day) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  char *old = scratch_path("v1/ab/.tmp-1-0000000000000001"), *young = scratch_path("v1/ab/.tmp-1-0000000000000002");
  cr_assert(publish_sample(store, 1) && file_put(old, "half", 4) && file_put(young, "half", 4));
  cr_assert(file_set_age(old, 25 * 3600) && file_set_age(young, 23 * 3600));
  cr_assert(publish_sample(store, 2));
  cr_expect(!file_exists(old), "its writer is dead");
  cr_expect(file_exists(young), "its writer may be slow");
  cache_store_close(store);
  free(old);
  free(young);
}

/* Whoever finds another process at it, leaves it to that one. */
Test(cache_evict, one_process_at_a_time) {
  struct fault state = {.operations = FAULT_LOCK, .fail_at = 1, .lasting = true, .error = EAGAIN};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = store_with_share(1, &io);
  for (unsigned i = 0; i < 5; i++)
    cr_assert(publish_sample(store, i));
  cr_expect_eq(cache_store_counters(store).evicted, 0);
  state.fail_at = 0;
  cr_assert(publish_sample(store, 5));
  cr_expect_eq(cache_store_counters(store).evicted, 5);
  cache_store_close(store);
}

Test(cache_evict, works_without_locks) {
  struct fault state = {.operations = FAULT_LOCK, .fail_at = 1, .lasting = true, .error = ENOLCK};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = store_with_share(1, &io);
  cr_assert(publish_sample(store, 1) && publish_sample(store, 2));
  cr_expect_eq(cache_store_counters(store).evicted, 1);
  cache_store_close(store);
}
