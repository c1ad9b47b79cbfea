/* Clocks that jump and servers of files that answer late: an hour that is yet to come, or long gone, costs no kernel
 * and keeps none for ever; a rename whose answer was lost has happened. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(cache_clock, .init = scratch_begin, .fini = scratch_end);

enum { DAY = 24 * 3600, YEAR = 365 * DAY, ENTRIES = 5 };

static int64_t wall;

static int64_t fake_wall(void *context) {
  (void)context;
  return wall;
}

static char *path_of(unsigned number) {
  const struct cache_key key = sample_key(number);
  return entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
}

static void set_age(unsigned number, long seconds) {
  char *path = path_of(number);
  cr_assert(file_set_age(path, seconds));
  free(path);
}

static bool exists(unsigned number) {
  char *path = path_of(number);
  const bool does_exist = file_exists(path);
  free(path);
  return does_exist;
}

/* A directory that has room for so many samples and no more. */
static struct cache_store *store_for(unsigned samples, const struct cache_io *io) {
  size_t size;
  struct cache_reason reason;
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  cr_assert(publish_sample(store, 0));
  cache_store_close(store);
  char *path = path_of(0);
  free(file_bytes(path, &size));
  cr_assert_eq(remove(path), 0);
  free(path);
  const struct cache_config config = {.user = scratch, .budget = samples * size * CACHE_SUBDIRECTORIES};
  return cache_store_open(&config, io, &reason);
}

/* What was written before the clock was put back would else be the youngest for years. */
Test(cache_clock, entries_of_the_future_go_first) {
  struct cache_store *store = store_for(ENTRIES, &cache_io_posix);
  for (unsigned i = 1; i <= ENTRIES; i++)
    cr_assert(publish_sample(store, i));
  set_age(2, -YEAR);
  set_age(4, -2 * DAY);
  set_age(5, YEAR);
  cr_assert(publish_sample(store, ENTRIES + 1));
  cr_expect(!exists(2) && !exists(4), "the two of the future make room for one and the spare fifth");
  cr_expect(exists(1) && exists(3) && exists(5) && exists(6));
  cache_store_close(store);
}

Test(cache_clock, a_hit_brings_an_entry_of_the_future_back) {
  struct cache_store *store = store_for(ENTRIES, &cache_io_posix);
  for (unsigned i = 1; i <= ENTRIES; i++)
    cr_assert(publish_sample(store, i));
  set_age(2, -YEAR);
  set_age(3, DAY);
  set_age(4, DAY);
  cr_expect(finds_sample(store, 2));
  cr_assert(publish_sample(store, ENTRIES + 1));
  cr_expect(exists(2) && !exists(3) && !exists(4));
  cache_store_close(store);
}

/* Machines of one network folder differ by seconds. */
Test(cache_clock, a_minute_ahead_is_now) {
  struct cache_store *store = store_for(ENTRIES, &cache_io_posix);
  for (unsigned i = 1; i <= ENTRIES; i++) {
    cr_assert(publish_sample(store, i));
    set_age(i, (long)i);
  }
  set_age(5, -60);
  cr_assert(publish_sample(store, ENTRIES + 1));
  cr_expect(exists(5) && !exists(4) && !exists(3));
  cache_store_close(store);
}

Test(cache_clock, forgotten_temporary_files_of_the_future_go_too) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  char *far = scratch_path("v1/ab/.tmp-1-0000000000000001");
  char *near = scratch_path("v1/ab/.tmp-1-0000000000000002");
  cr_assert(publish_sample(store, 1) && file_put(far, "half", 4) && file_put(near, "half", 4));
  cr_assert(file_set_age(far, -2 * DAY) && file_set_age(near, -60));
  cr_assert(publish_sample(store, 2));
  cr_expect(!file_exists(far));
  cr_expect(file_exists(near), "its writer may be at it");
  cache_store_close(store);
  free(far);
  free(near);
}

/* 1970, as on a machine without a battery, and centuries ahead. */
Test(cache_clock, every_hour_has_its_kernels) {
  static const int64_t hours[] = {0, 1700000000, INT64_C(1) << 31, INT64_C(1) << 40, 3, 1700000000};
  struct cache_io io = cache_io_posix;
  io.wall_seconds = fake_wall;
  struct cache_store *store = store_on(scratch, &io);
  for (unsigned i = 0; i < sizeof hours / sizeof *hours; i++) {
    wall = hours[i];
    cr_expect(publish_sample(store, i));
    for (unsigned j = 0; j <= i; j++)
      cr_expect(finds_sample(store, j), "sample %u in hour %u", j, i);
  }
  cr_expect_eq(cache_store_counters(store).damaged, 0);
  cr_expect_eq(cache_store_counters(store).evicted, 0);
  cache_store_close(store);
}

/* -------------------------------------------------------------------------------- NFS */

/* The request is sent again, and the second answer is that there is nothing to rename. */
Test(cache_clock, a_rename_whose_answer_is_lost_has_happened) {
  static const int errors[] = {ENOENT, EIO, ESTALE, ETIMEDOUT};
  char *directory = scratch_path("v1/ab");
  for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
    struct fault state = {.operations = FAULT_RENAME, .fail_at = 1, .error = errors[i], .late = true};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = store_on(scratch, &io);
    publish_sample(store, i);
    cr_expect(finds_sample(store, i), "error %d", errors[i]);
    cr_expect(publish_sample(store, 10 + i) && finds_sample(store, 10 + i));
    cr_expect_eq(count_names(directory, cache_is_temporary_name), 0);
    cr_expect_eq(cache_store_counters(store).damaged, 0);
    cache_store_close(store);
    cr_expect_eq(state.open_files, 0);
  }
  free(directory);
}

/* So does a deletion; the file is gone, or has another name as long as somebody reads it. */
Test(cache_clock, deletions_whose_answer_is_lost) {
  struct fault state = {.operations = FAULT_UNLINK, .fail_at = 1, .lasting = true, .error = ENOENT, .late = true};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = store_for(1, &io);
  char *silly = scratch_path("v1/ab/.nfs000000000000000100000001");
  cr_assert(publish_sample(store, 1) && file_put(silly, "read", 4) && publish_sample(store, 2));
  cr_expect(!exists(1) && finds_sample(store, 2));
  cr_expect(file_exists(silly), "it is the file system's");
  cr_expect_eq(cache_store_counters(store).damaged, 0);
  cache_store_close(store);
  free(silly);
}
