/* A hit does not take longer in a large store. */
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(cache_many, .init = scratch_begin, .fini = scratch_end);

enum { ENTRIES = 100000, ROUNDS = 501, MOST_US = 100 };

/* Files with the names of entries, an equal share in each subdirectory: a look-up opens none but its own. */
static void make_entries(void) {
  for (unsigned i = 0; i < ENTRIES; i++) {
    char path[SCRATCH_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/v1/%02x", scratch, i % 256);
    if (i < 256)
      mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/v1/%02x/%02x%030x-" SAMPLE_TOOLCHAIN ".fik", scratch, i % 256, i % 256, i);
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(file, 0);
    close(file);
  }
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right) {
  const double a = *(const double *)left;
  const double b = *(const double *)right;
  return a < b ? -1 : a > b;
}

Test(cache_many, a_hit_among_100000_entries) {
  static double us[ROUNDS];
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  const struct cache_key key = sample_key(7);
  cr_assert(publish_sample(store, 7));
  make_entries();
  for (unsigned i = 0; i < ROUNDS; i++) {
    struct cache_found found;
    struct cache_reason reason;
    const double begin = now_us();
    cr_assert(cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason));
    us[i] = now_us() - begin;
    cache_found_free(&found);
  }
  cache_store_close(store);
  qsort(us, ROUNDS, sizeof *us, compare);
  cr_log_info("%.1f us", us[ROUNDS / 2]);
  cr_expect_lt(us[ROUNDS / 2], MOST_US, "%.0f us", us[ROUNDS / 2]);
}
