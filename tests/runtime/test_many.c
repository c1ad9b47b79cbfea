/* fi_get_kernels: many kernels at once. */
#include "fakes.h"

#include "runtime/kernel.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(many, .init = fakes_reset);

enum { SPECS = 12 };

struct call {
  fi_spec specs[SPECS];
  fi_kernel *kernels[SPECS];
  fi_status statuses[SPECS];
};

static void fill(struct call *call) {
  for (uint32_t i = 0; i < SPECS; i++) {
    call->specs[i] = spec_of("attention rows=16 page=16");
    call->specs[i].group = i + 1;
    call->kernels[i] = (fi_kernel *)(uintptr_t)1;
    call->statuses[i] = -1;
  }
}

static fi_status get_all(fi_ctx *ctx, uint32_t threads, struct call *call) {
  return fi_get_kernels(ctx, call->specs, SPECS, threads, call->kernels, call->statuses);
}

static unsigned threads_alive(void) {
  DIR *tasks = opendir("/proc/self/task");
  unsigned count = 0;
  while (tasks && readdir(tasks))
    count++;
  closedir(tasks);
  return count - 2;
}

Test(many, every_kernel_is_made_once_on_so_many_threads) {
  static const uint32_t threads[] = {1, 4, 12, 100};
  for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
    struct call call;
    fill(&call);
    fakes_reset();
    fakes.compile_ms = 30;
    fi_ctx *ctx = make_context(NULL);
    const unsigned before = threads_alive();
    cr_expect_eq(get_all(ctx, threads[i], &call), FI_OK, "%s", fi_last_error());
    cr_expect_eq(threads_alive(), before, "a thread was left");
    cr_expect_eq(fakes.compiles, SPECS + 1);
    cr_expect_leq(fakes.most_compiling, threads[i]);
    cr_expect(fakes.most_compiling > 1 || threads[i] == 1, "%u at once", (unsigned)fakes.most_compiling);
    for (uint32_t j = 0; j < SPECS; j++) {
      cr_expect_eq(call.statuses[j], FI_OK);
      cr_expect_eq(call.kernels[j]->spec.group, j + 1);
    }
    fi_ctx_destroy(ctx);
  }
}

Test(many, threads_have_the_callers_context_and_leave_it_alone) {
  struct call call;
  fill(&call);
  int context;
  fakes.needs_context = true;
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(get_all(ctx, 4, &call), FI_ERROR_DRIVER);
  cr_expect_str_eq(fi_last_error(), "spec 0: no CUDA context is current in this thread");
  fake_context(&context);
  cr_expect_eq(get_all(ctx, 4, &call), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

Test(many, one_status_per_spec_and_the_first_failure) {
  struct call call;
  fill(&call);
  call.specs[9].head_dim = 100;
  call.specs[3].struct_size = 1;
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(get_all(ctx, 5, &call), FI_ERROR_ABI);
  cr_expect(strstr(fi_last_error(), "spec 3: spec.struct_size is 1"), "%s", fi_last_error());
  for (int i = 0; i < SPECS; i++) {
    cr_expect_eq(call.statuses[i], i == 9 ? FI_ERROR_SPEC : i == 3 ? FI_ERROR_ABI : FI_OK, "%d", i);
    cr_expect_eq(call.kernels[i] == NULL, i == 9 || i == 3);
  }
  cr_expect_eq(fi_get_kernels(ctx, call.specs + 4, 4, 0, call.kernels, NULL), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

Test(many, each_mode) {
  static const struct {
    uint32_t mode;
    bool cached;
    fi_status status;
    uint32_t compiles;
  } cases[] = {
      {FI_MODE_ON, true, FI_OK, 0},
      {FI_MODE_LOAD_ONLY, true, FI_OK, 0},
      {FI_MODE_LOAD_ONLY, false, FI_ERROR_NOT_CACHED, 0},
      {FI_MODE_MEMORY_ONLY, true, FI_ERROR_NOT_CACHED, 0},
      {FI_MODE_ON, false, FI_OK, SPECS + 1},
  };
  char *directory = make_directory();
  struct call call;
  fill(&call);
  fi_ctx *ctx = make_context(directory);
  cr_expect_eq(get_all(ctx, 2, &call), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fakes_reset();
    ctx = make_context_with((fi_options){.mode = cases[i].mode, .cache_dir = cases[i].cached ? directory : NULL});
    cr_expect_eq(get_all(ctx, 3, &call), cases[i].status, "case %zu: %s", i, fi_last_error());
    cr_expect_eq(fakes.compiles, cases[i].compiles, "case %zu", i);
    if (cases[i].mode == FI_MODE_MEMORY_ONLY)
      cr_expect_str_eq(fakes.log, "");
    fi_ctx_destroy(ctx);
  }
  remove_directory(directory);
}

struct progress {
  uint32_t events;
  uint32_t wrong;
};

static void note_progress(void *user, const fi_event *event) {
  struct progress *progress = user;
  if (event->kind != FI_EVENT_PROGRESS)
    return;
  progress->events++;
  const bool is_bad = event->status == FI_ERROR_SPEC;
  progress->wrong += event->done != progress->events || event->count != SPECS;
  progress->wrong += is_bad ? !strstr(event->message, "head_dim is 100") || event->spec[0]
                            : event->message[0] || strncmp(event->spec, "attention rows=16", 9) != 0;
}

Test(many, progress_is_told_in_order) {
  struct progress progress = {0};
  struct call call;
  fill(&call);
  call.specs[5].head_dim = 100;
  fi_ctx *ctx = make_context_with((fi_options){.on_event = note_progress, .user = &progress});
  cr_expect_eq(get_all(ctx, 6, &call), FI_ERROR_SPEC);
  cr_expect_eq(progress.events, SPECS);
  cr_expect_eq(progress.wrong, 0);
  fi_ctx_destroy(ctx);
}

Test(many, bad_arguments) {
  struct call call;
  fill(&call);
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(fi_get_kernels(NULL, call.specs, 1, 0, call.kernels, NULL), FI_ERROR_ARGUMENT);
  cr_expect_eq(fi_get_kernels(ctx, NULL, 1, 0, call.kernels, NULL), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "specs is NULL");
  cr_expect_eq(fi_get_kernels(ctx, call.specs, 1, 0, NULL, NULL), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "kernels is NULL");
  cr_expect_eq(fi_get_kernels(ctx, NULL, 0, 0, NULL, NULL), FI_OK);
  fi_ctx_destroy(ctx);
}
