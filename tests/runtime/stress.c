/* Many threads, few kernels: each must be compiled and loaded once, and prepared once on each device that threads use.
 * A plain program, so that it runs under ThreadSanitizer. */
#include "fakes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 16, SPELLINGS = 8, CALLS = 2000, DEVICES = 4 };

static const char *const specs[] = {
    "attention group=4 rows=16 page=16",   "attention group=8 rows=16", "append page=16", "merge", "plan",
    "attention family=mma group=4 page=16"};

/* The last is of four sizes, and has a plan kernel of its own. */
enum { SPECS = sizeof specs / sizeof *specs, KERNELS = SPECS + 4, PAGED = 0, ATTENTIONS = 2 };

struct worker {
  pthread_t thread;
  fi_ctx *ctx;
  fi_kernel *kernels[SPECS];
  unsigned number;
  unsigned failures;
};

static void *work(void *data) {
  struct worker *worker = data;
  for (unsigned i = 0; i < CALLS; i++) {
    const unsigned which = (i + worker->number) % SPECS;
    fi_spec spec = spec_of(specs[which]);
    fi_kernel *kernel = NULL;
    spec.rope_dim = 16 + i % SPELLINGS; /* not read without rope: another spelling */
    worker->failures += fi_get_kernel(worker->ctx, &spec, &kernel) != FI_OK;
    worker->failures += worker->kernels[which] && worker->kernels[which] != kernel;
    worker->kernels[which] = kernel;
  }
  return NULL;
}

/* Several calls of fi_get_kernels at once, each with threads of its own. */
static void *work_at_once(void *data) {
  struct worker *worker = data;
  fi_spec all[SPECS];
  for (unsigned i = 0; i < SPECS; i++)
    all[i] = spec_of(specs[i]);
  worker->failures += fi_get_kernels(worker->ctx, all, SPECS, 3, worker->kernels, NULL) != FI_OK;
  return NULL;
}

/* Plans and runs attention: a launch on a device of which nobody has said that the kernel is to be prepared. */
static fi_status launch(fi_kernel *kernel, unsigned pages) {
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = 8,
                          .kv_len = address(0x2000),
                          .page_table = pages ? address(0x3000) : NULL,
                          .page_table_stride = pages};
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .q = address(0x10000),
                              .o = address(0x20000),
                              .k = {.data = address(0x30000), .page_stride = pages ? 0 : 1 << 20},
                              .v = {.data = address(0x40000), .page_stride = pages ? 0 : 1 << 20}};
  fi_workspace workspace = {
      .struct_size = sizeof workspace, .max_requests = 8, .max_tokens = 8, .max_kv_len = 1000, .kv_heads = 2};
  fi_status status = fi_workspace_size(kernel, &workspace);
  workspace.memory = address(0x100000);
  workspace.scratch = address(0x9000000);
  if (!status)
    status = fi_plan(kernel, &batch, &workspace, NULL);
  return status ? status : fi_run(kernel, &tensors, &workspace, NULL);
}

/* Threads of several devices; half of them prepare their kernels themselves. */
static void *work_on_devices(void *data) {
  struct worker *worker = data;
  fake_device((int)(worker->number % DEVICES));
  for (unsigned i = 0; i < CALLS / 10; i++) {
    const unsigned which = (i + worker->number) % SPECS;
    const fi_spec spec = spec_of(specs[which]);
    worker->failures += fi_get_kernel(worker->ctx, &spec, &worker->kernels[which]) != FI_OK;
    if (i < SPECS && (worker->number / DEVICES % 2 || which >= ATTENTIONS))
      worker->failures += fi_kernel_prepare(worker->kernels[which]) != FI_OK;
    if (which < ATTENTIONS)
      worker->failures += launch(worker->kernels[which], which == PAGED ? 63 : 0) != FI_OK;
  }
  return NULL;
}

static unsigned run(fi_ctx *ctx, void *(*body)(void *data)) {
  static struct worker workers[THREADS];
  unsigned failures = 0;
  memset(workers, 0, sizeof workers);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i].ctx = ctx;
    workers[i].number = i;
    if (pthread_create(&workers[i].thread, NULL, body, &workers[i]))
      exit(EXIT_FAILURE);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    failures += workers[i].failures;
    for (unsigned j = 0; j < SPECS; j++)
      failures += workers[i].kernels[j] != workers[0].kernels[j];
  }
  return failures;
}

static unsigned expect_once(const char *what, void *(*body)(void *data), unsigned devices) {
  fakes_reset();
  fakes.compile_ms = 20;
  fi_ctx *ctx = make_context(NULL);
  const unsigned failures = run(ctx, body);
  fi_ctx_destroy(ctx);
  printf("%s: %u compiles and %u loads for %d kernels, prepared %u times for %u devices, %u failures, %u launches too "
         "early\n",
         what, (unsigned)fakes.compiles, (unsigned)fakes.loads, KERNELS, (unsigned)fakes.prepares, devices, failures,
         (unsigned)fakes.unprepared);
  return failures || fakes.compiles != KERNELS || fakes.loads != KERNELS || fakes.unloads != KERNELS ||
         fakes.prepares != KERNELS * devices || fakes.unprepared;
}

int main(void) {
  return expect_once("one by one", work, 1) || expect_once("at once", work_at_once, 1) ||
         expect_once("on devices", work_on_devices, DEVICES);
}
