/* What the steps of a warm start cost: the median of many rounds, for an entry of 60 KB.
 *
 *   time_cache [rounds] */
#include "support.h"

#include "cache/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IMAGE_SIZE = 60000, ROUNDS_MAX = 100000 };

struct bench {
  struct cache_store *store;
  struct sample sample;
  unsigned char *bytes;
  size_t size;
};

static void make_key(struct bench *bench) {
  struct cache_key_builder builder;
  cache_key_begin(&builder);
  cache_key_add(&builder, "source", bench->sample.entry.image, bench->sample.entry.image_size);
  bench->sample.entry.created = cache_key_end(&builder).bytes[0];
}

static void verify(struct bench *bench) {
  struct cache_entry entry;
  struct cache_reason reason;
  if (!cache_verify(bench->bytes, bench->size, &bench->sample.entry.key, &entry, &reason))
    abort();
}

static void find_with(struct bench *bench, const struct cache_key *key, const char *toolchain, bool expected) {
  struct cache_found found;
  struct cache_reason reason;
  if ((toolchain ? cache_store_find_own(bench->store, key, toolchain, &found, &reason)
                 : cache_store_find(bench->store, key, NULL, &found, &reason)) != expected)
    abort();
  if (expected)
    cache_found_free(&found);
}

static void find_hit(struct bench *bench) {
  find_with(bench, &bench->sample.entry.key, SAMPLE_TOOLCHAIN, true);
}

static void find_any_toolchain(struct bench *bench) {
  find_with(bench, &bench->sample.entry.key, NULL, true);
}

static void find_miss(struct bench *bench) {
  static const struct cache_key other = {{SAMPLE_SUBDIRECTORY}};
  find_with(bench, &other, SAMPLE_TOOLCHAIN, false);
}

static void lock_and_unlock(struct bench *bench) {
  struct cache_lock lock;
  struct cache_reason reason;
  if (cache_store_lock(bench->store, &bench->sample.entry.key, 0, &lock, &reason) != CACHE_LOCK_HELD)
    abort();
  cache_store_unlock(bench->store, &lock);
}

static void publish(struct bench *bench) {
  struct cache_reason reason;
  if (!cache_store_publish(bench->store, &bench->sample.entry, &reason))
    abort();
}

static const struct step {
  const char *name;
  void (*run)(struct bench *bench);
} steps[] = {
    {"key of 60 KB", make_key},
    {"publish", publish},
    {"verify 60 KB in memory", verify},
    {"find: open, read, verify", find_hit},
    {"find, any toolchain", find_any_toolchain},
    {"find: miss", find_miss},
    {"lock and unlock", lock_and_unlock},
};

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare_doubles(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return a < b ? -1 : a > b;
}

static void time_step(const struct step *step, struct bench *bench, size_t rounds) {
  static double us[ROUNDS_MAX];
  for (size_t i = 0; i < rounds; i++) {
    double begin = now_us();
    step->run(bench);
    us[i] = now_us() - begin;
  }
  qsort(us, rounds, sizeof *us, compare_doubles);
  printf("%-26s %9.2f us (fastest %.2f)\n", step->name, us[rounds / 2], us[0]);
}

int main(int argument_count, char **arguments) {
  size_t rounds = argument_count > 1 ? strtoul(arguments[1], NULL, 10) : 2000;
  if (rounds == 0 || rounds > ROUNDS_MAX)
    return 2;
  struct bench bench;
  struct cache_reason reason;
  scratch_begin();
  bench.store = store_on(scratch, &cache_io_posix);
  sample_make(&bench.sample, 1, IMAGE_SIZE);
  if (!cache_entry_encode(&bench.sample.entry, &bench.bytes, &bench.size, &reason))
    return 1;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    time_step(&steps[i], &bench, rounds);
  free(bench.bytes);
  sample_free(&bench.sample);
  cache_store_close(bench.store);
  scratch_end();
  return 0;
}
