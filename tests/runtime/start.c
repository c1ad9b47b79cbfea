/* What the first kernels of a program cost, on a GPU or the simulator: nothing cached, cached on the disk, and held by
 * the context; and how busy as many threads as there are cores are with many. Prints and asserts nothing.
 *
 *   time_start [SPEC]...
 *
 * What is compiled without a driver is a cubin, as a GPU would get it; the simulator gets PTX, and reads it itself. */
#include "tools/common/clock.h"
#include "tools/common/device.h"

#include <flashjit.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WARM_ROUNDS = 20, HITS = 1000000, MANY = 48 };

static const char *const usual_specs[] = {
    "attention group=4 rows=16 page=16 rope=half",  /* decode */
    "attention group=4 rows=128 page=16 rope=half", /* prefill */
    "attention group=4 page=16 rope=half",          /* both, and what is between */
};
static const char *const targets[] = {"sm_80", "sm_90a", "sm_120a"};

static char folder[] = "/tmp/flashjit-start.XXXXXX";

static void must(fi_status status) {
  if (!status)
    return;
  fprintf(stderr, "%s\n", fi_last_error());
  exit(EXIT_FAILURE);
}

/* -------------------------------------------------------------------------------- processes, folders, clocks */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static void empty_folder(void) {
  nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  mkdir(folder, 0700);
}

/* A process of its own has loaded neither driver nor compiler yet. */
static void in_a_process(void (*work)(const char *text, const char *target), const char *text, const char *target) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    work(text, target);
    exit(EXIT_SUCCESS);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status)
    exit(EXIT_FAILURE);
}

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct span {
  double wall;
  double cpu;
};

static struct span begin_span(void) {
  return (struct span){clock_seconds(), cpu_seconds()};
}

static void end_span(struct span *span) {
  span->wall = clock_seconds() - span->wall;
  span->cpu = cpu_seconds() - span->cpu;
}

/* -------------------------------------------------------------------------------- contexts, kernels */

static fi_ctx *new_context(const char *target) {
  const fi_options options = {.struct_size = sizeof options, .target = target, .cache_dir = folder};
  fi_ctx *ctx;
  must(fi_ctx_create(&options, &ctx));
  return ctx;
}

static fi_spec spec_of(const char *text) {
  fi_spec spec;
  must(fi_spec_parse(text, &spec));
  return spec;
}

static struct device open_device(void) {
  struct device device;
  if (device_open(&device, NULL))
    return device;
  fprintf(stderr, "%s\n", device.error);
  exit(EXIT_FAILURE);
}

static void print_span(const char *what, struct span span, const char *text) {
  printf("%-22s %9.2f ms %9.2f ms of CPU  %s\n", what, span.wall * 1e3, span.cpu * 1e3, text);
}

/* -------------------------------------------------------------------------------- one kernel */

static void time_cold(const char *text, const char *target) {
  struct device device = open_device();
  const fi_spec spec = spec_of(text);
  fi_kernel *kernel;
  struct span span = begin_span();
  fi_ctx *ctx = new_context(target);
  must(fi_get_kernel(ctx, &spec, &kernel));
  end_span(&span);
  print_span("nothing cached", span, text);
  fi_ctx_destroy(ctx);
  device_close(&device);
}

static int compare_spans(const void *left, const void *right) {
  const double first = ((const struct span *)left)->wall;
  const double second = ((const struct span *)right)->wall;
  return (first > second) - (first < second);
}

/* The median of many contexts; the first has opened the driver and the compiler. */
static void time_warm(const char *text, const char *target) {
  struct device device = open_device();
  const fi_spec spec = spec_of(text);
  struct span spans[WARM_ROUNDS];
  fi_kernel *kernel;
  for (int i = 0; i < WARM_ROUNDS; i++) {
    spans[i] = begin_span();
    fi_ctx *ctx = new_context(target);
    must(fi_get_kernel(ctx, &spec, &kernel));
    end_span(&spans[i]);
    fi_ctx_destroy(ctx);
  }
  qsort(spans, WARM_ROUNDS, sizeof *spans, compare_spans);
  print_span("on the disk", spans[WARM_ROUNDS / 2], text);
  device_close(&device);
}

static void time_hit(const char *text, const char *target) {
  struct device device = open_device();
  const fi_spec spec = spec_of(text);
  fi_ctx *ctx = new_context(target);
  fi_kernel *kernel;
  must(fi_get_kernel(ctx, &spec, &kernel));
  const double begin = clock_seconds();
  for (int i = 0; i < HITS; i++)
    must(fi_get_kernel(ctx, &spec, &kernel));
  printf("%-22s %9.1f ns %28s%s\n", "held by the context", (clock_seconds() - begin) * 1e9 / HITS, "", text);
  fi_ctx_destroy(ctx);
  device_close(&device);
}

static void time_cubin(const char *text, const char *target) {
  const fi_spec spec = spec_of(text);
  char what[32];
  struct span span = begin_span();
  fi_ctx *ctx = new_context(target);
  must(fi_precompile(ctx, &spec, NULL));
  end_span(&span);
  snprintf(what, sizeof what, "compiled for %s", target);
  print_span(what, span, text);
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- many kernels */

static void time_many(const char *text, const char *target) {
  struct device device = open_device();
  fi_spec specs[MANY];
  fi_kernel *kernels[MANY];
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  for (uint32_t i = 0; i < MANY; i++) {
    specs[i] = spec_of(text);
    specs[i].head_dim = 64 + 8 * (i % 16);
    specs[i].group = 1 + i / 16;
  }
  struct span span = begin_span();
  fi_ctx *ctx = new_context(target);
  must(fi_get_kernels(ctx, specs, MANY, 0, kernels, NULL));
  end_span(&span);
  printf("%-22s %9.2f s  %9.2f s of CPU, which is %.0f %% of %ld cores\n", "many, nothing cached", span.wall, span.cpu,
         100 * span.cpu / span.wall / (double)cores, cores);
  fi_ctx_destroy(ctx);
  device_close(&device);
}

/* -------------------------------------------------------------------------------- main */

static void time_spec(const char *text) {
  empty_folder();
  in_a_process(time_cold, text, NULL);
  in_a_process(time_warm, text, NULL);
  in_a_process(time_hit, text, NULL);
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    empty_folder();
    in_a_process(time_cubin, text, targets[i]);
  }
}

int main(int argc, char **argv) {
  const char *const *specs = argc > 1 ? (const char *const *)argv + 1 : usual_specs;
  const size_t count = argc > 1 ? (size_t)argc - 1 : sizeof usual_specs / sizeof *usual_specs;
  if (!mkdtemp(folder))
    return EXIT_FAILURE;
  for (size_t i = 0; i < count; i++)
    time_spec(specs[i]);
  empty_folder();
  in_a_process(time_many, "attention rows=16 page=16", NULL);
  empty_folder();
  rmdir(folder);
  return EXIT_SUCCESS;
}
