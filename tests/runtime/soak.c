/* Hours of contexts that come and go: 200 at a time, each with a kernel from the cache, a plan and a launch on the
 * simulator; the oldest fifth of them is replaced by new ones, over and over. Fails when memory or open files grow
 * after the first tenth of the time. Not part of any test run: soak_runtime [SECONDS], default: 7200. */
#include "small_step.h"

#include <dirent.h>
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CONTEXTS = 200, REPLACED = CONTEXTS / 5, DEFAULT_SECONDS = 7200, WARM_SHARE = 10, REPORTS = 20 };
enum { MORE_KILOBYTES = 4096, MORE_FILES = 4 }; /* of one context, which may be larger than that before it */

static const char *folder;

static fi_ctx *new_context(void) {
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = folder};
  fi_ctx *ctx;
  if (!fi_ctx_create(&options, &ctx))
    return ctx;
  fprintf(stderr, "%s\n", fi_last_error());
  exit(EXIT_FAILURE);
}

/* All that a context is for. */
static void use(struct small_step *step, fi_ctx *ctx) {
  fi_kernel *kernel;
  fi_status status = small_step_kernel(ctx, &kernel);
  if (!status)
    status = small_step_workspace(step, kernel);
  if (!status)
    status = small_step_plan(step, kernel);
  if (!status)
    status = small_step_run(step, kernel);
  if (!status) {
    small_step_read(step);
    return;
  }
  fprintf(stderr, "%s\n", fi_last_error());
  exit(EXIT_FAILURE);
}

/* -------------------------------------------------------------------------------- growth */

/* What is allocated, and not what the allocator holds: that depends on the order in which memory was freed. */
struct level {
  long kilobytes;
  long files;
};

static long allocated_kilobytes(void) {
  const struct mallinfo2 info = mallinfo2();
  return (long)((info.uordblks + info.hblkhd) / 1024);
}

static long open_files(void) {
  long count = 0;
  DIR *stream = opendir("/proc/self/fd");
  while (stream && readdir(stream))
    count++;
  closedir(stream);
  return count;
}

static struct level level_now(void) {
  return (struct level){allocated_kilobytes(), open_files()};
}

static bool has_grown(const struct level *from, const struct level *to) {
  return to->kilobytes > from->kilobytes + MORE_KILOBYTES || to->files > from->files + MORE_FILES;
}

/* -------------------------------------------------------------------------------- soak */

struct soak {
  struct small_step step;
  fi_ctx *contexts[CONTEXTS];
  unsigned long made;
  unsigned long launches;
};

static void replace_some(struct soak *soak) {
  for (unsigned i = 0; i < REPLACED; i++) {
    fi_ctx **place = &soak->contexts[soak->made++ % CONTEXTS];
    fi_ctx_destroy(*place);
    *place = new_context();
    use(&soak->step, *place);
    soak->launches++;
  }
}

static void report(const struct soak *soak, double seconds, const struct level *level) {
  printf("%6.0f s: %lu contexts, %lu launches, %ld KiB, %ld files\n", seconds, soak->made, soak->launches,
         level->kilobytes, level->files);
  fflush(stdout);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool run(struct soak *soak, double seconds) {
  const double begin = now();
  struct level warm = {0};
  struct level level = level_now();
  double next_report = 0;
  for (double at = 0; at < seconds; at = now() - begin) {
    replace_some(soak);
    level = level_now();
    if (!warm.kilobytes && at >= seconds / WARM_SHARE && soak->made > CONTEXTS)
      warm = level;
    if (at >= next_report)
      report(soak, at, &level);
    next_report = at >= next_report ? next_report + seconds / REPORTS : next_report;
  }
  report(soak, now() - begin, &level);
  if (!warm.kilobytes)
    puts("too short to tell");
  return warm.kilobytes && !has_grown(&warm, &level);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

int main(int argc, char **argv) {
  static struct soak soak;
  char directory[] = "/tmp/flashjit-soak-XXXXXX";
  const double seconds = argc > 1 ? atof(argv[1]) : DEFAULT_SECONDS;
  folder = mkdtemp(directory);
  small_step_open(&soak.step, "sim");
  const bool passes = run(&soak, seconds);
  for (unsigned i = 0; i < CONTEXTS; i++)
    fi_ctx_destroy(soak.contexts[i]);
  small_step_close(&soak.step);
  nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  puts(passes ? "nothing grows" : "it grows");
  return passes ? EXIT_SUCCESS : EXIT_FAILURE;
}
