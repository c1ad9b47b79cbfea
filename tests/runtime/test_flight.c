/* Single flight: however many ask for a kernel at once, it is compiled once. */
#include "fakes.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, PROCESSES = 4 };

TestSuite(flight, .init = fakes_reset);

struct asker {
  fi_ctx *ctx;
  fi_spec spec;
  fi_kernel *kernel;
  fi_status status;
  char error[128];
};

static void *ask(void *data) {
  struct asker *asker = data;
  asker->status = fi_get_kernel(asker->ctx, &asker->spec, &asker->kernel);
  snprintf(asker->error, sizeof asker->error, "%s", fi_last_error());
  return NULL;
}

static void ask_in_threads(fi_ctx *ctx, struct asker askers[THREADS]) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    askers[i] = (struct asker){.ctx = ctx, .spec = spec_of(i % 2 ? "merge" : "merge q=bf16 rows=32")};
    askers[i].spec.rope_dim = (uint32_t)i; /* not read by merge: another spelling for each */
    cr_assert_eq(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

Test(flight, threads_compile_once) {
  struct asker askers[THREADS];
  fi_ctx *ctx = make_context(NULL);
  fakes.compile_ms = 50;
  ask_in_threads(ctx, askers);
  cr_expect_eq(fakes.compiles, 1);
  cr_expect_eq(fakes.loads, 1);
  for (int i = 0; i < THREADS; i++) {
    cr_expect_eq(askers[i].status, FI_OK);
    cr_expect_eq(askers[i].kernel, askers[0].kernel);
  }
  fi_ctx_destroy(ctx);
}

Test(flight, threads_share_a_failure) {
  struct asker askers[THREADS];
  fi_ctx *ctx = make_context(NULL);
  fakes.compile_ms = 50;
  fakes.compile_status = FI_ERROR_COMPILE;
  ask_in_threads(ctx, askers);
  cr_expect_eq(fakes.compiles, 1);
  for (int i = 0; i < THREADS; i++)
    cr_expect_eq(askers[i].status, FI_ERROR_COMPILE);
  fi_ctx_destroy(ctx);
}

/* What makes no difference to a thread in which no CUDA context is current: it is told so before anything else. */
Test(flight, threads_without_a_context_are_told_at_once) {
  static const fi_options cases[] = {
      {.mode = FI_MODE_ON},
      {.mode = FI_MODE_LOAD_ONLY},
      {.mode = FI_MODE_ON, .target = "compute_80"},
      {.mode = FI_MODE_LOAD_ONLY, .target = "compute_80"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct asker askers[THREADS];
    fakes_reset();
    fakes.no_context = true;
    fi_ctx *ctx = make_context_with(cases[i]);
    ask_in_threads(ctx, askers);
    for (int j = 0; j < THREADS; j++) {
      cr_expect_eq(askers[j].status, FI_ERROR_DRIVER, "case %zu", i);
      cr_expect_str_eq(askers[j].error, "no CUDA context is current in this thread", "case %zu", i);
    }
    cr_expect_eq(fakes.compiles, 0, "case %zu", i);
    cr_expect_str_eq(fakes.log, "open_driver", "case %zu", i);
    fi_ctx_destroy(ctx);
  }
}

/* A process of its own: how often its compiler ran, or 100 when it got no kernel. */
static int compiles_of_process(const char *directory) {
  fi_ctx *ctx = make_context(directory);
  const fi_spec spec = spec_of("merge");
  fi_kernel *kernel;
  const fi_status status = fi_get_kernel(ctx, &spec, &kernel);
  fi_ctx_destroy(ctx);
  return status ? 100 : (int)fakes.compiles;
}

Test(flight, processes_compile_once) {
  char *directory = make_directory();
  pid_t children[PROCESSES];
  int compiles = 0;
  fakes.compile_ms = 100;
  for (int i = 0; i < PROCESSES; i++) {
    children[i] = fork();
    cr_assert_geq(children[i], 0);
    if (children[i] == 0)
      _exit(compiles_of_process(directory));
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status;
    cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
    cr_assert(WIFEXITED(status));
    compiles += WEXITSTATUS(status);
  }
  cr_expect_eq(compiles, 1, "%d compiles", compiles);
  remove_directory(directory);
}

/* For a reason that may pass. What was made beside it is kept, and claimed by nobody. */
Test(flight, a_plan_kernel_that_fails_is_tried_again) {
  static const char *const texts[] = {"attention family=mma group=4 rows=16 page=16",
                                      "attention family=mma group=4 page=16"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    fi_ctx *ctx = make_context(NULL);
    fakes_reset();
    fakes.plan_status = FI_ERROR_MEMORY;
    for (int again = 0; again < 2; again++) {
      cr_expect_eq(get(ctx, texts[i]), FI_ERROR_MEMORY, "%s", texts[i]);
      cr_expect(strstr(fi_last_error(), "the fake compiler fails of plan kernels"), "%s", fi_last_error());
    }
    cr_expect_eq(counters_of(ctx).failures, 2);
    fakes.plan_status = FI_OK;
    cr_expect_eq(get(ctx, texts[i]), FI_OK, "%s: %s", texts[i], fi_last_error());
    cr_expect_eq(counters_of(ctx).kernels, fakes.loads);
    fi_ctx_destroy(ctx);
  }
}

/* Which is somewhere in the log, and after which the next is looked for. */
static void expect_in_order(const char *steps) {
  const char *at = fakes.log;
  char step[64];
  for (int used; sscanf(steps, "%63s %n", step, &used) == 1; steps += used) {
    at = strstr(at, step);
    cr_assert(at, "no %s there: %s", step, fakes.log);
  }
}

/* The plan kernel is made beside the kernel, which is ready after it. */
Test(flight, order_of_steps) {
  fi_ctx *ctx = make_context(NULL);
  kernel_of(ctx, "attention group=4 rows=16 page=16");
  expect_in_order("open_driver open_compiler compile:plan load:plan prepare:plan prepare:attention");
  expect_in_order("open_driver open_compiler compile:attention load:attention prepare:attention");
  cr_expect_eq(strlen(fakes.log), strlen("open_driver open_compiler compile:plan load:plan prepare:plan "
                                         "compile:attention load:attention prepare:attention"));
  fi_ctx_destroy(ctx);
  cr_expect_eq(fakes.unloads, 2);
}
