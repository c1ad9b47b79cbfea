/* Prints what a second fi_get_kernel costs, and fi_plan and fi_run without a driver's share. Asserts nothing.
 */
#include "fakes.h"

#include "runtime/clock.h"

#include <stdio.h>

enum { ROUNDS = 20, CALLS = 50000 };

struct subject {
  fi_ctx *ctx;
  fi_spec spec;
  fi_kernel *kernel;
  fi_workspace workspace;
  fi_batch batch;
  fi_tensors tensors;
};

static void get_kernel(struct subject *subject) {
  fi_get_kernel(subject->ctx, &subject->spec, &subject->kernel);
}

static void plan(struct subject *subject) {
  fi_plan(subject->kernel, &subject->batch, &subject->workspace, NULL);
}

static void run(struct subject *subject) {
  fi_run(subject->kernel, &subject->tensors, &subject->workspace, NULL);
}

/* The best round: what is left is the call's own time. */
static void time_call(const char *name, void (*call)(struct subject *), struct subject *subject) {
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    const double begin = clock_ms();
    for (int i = 0; i < CALLS; i++)
      call(subject);
    const double ns = (clock_ms() - begin) * 1e6 / CALLS;
    best = ns < best ? ns : best;
  }
  printf("%-20s %6.1f ns\n", name, best);
}

static void make_subject(struct subject *subject, const char *text) {
  void *const data = (void *)0x10000; /* is never read */
  subject->ctx = make_context(NULL);
  subject->spec = spec_of(text);
  subject->kernel = kernel_of(subject->ctx, text);
  subject->workspace = (fi_workspace){.struct_size = sizeof(fi_workspace),
                                      .max_requests = 64,
                                      .max_tokens = 64,
                                      .max_kv_len = 8192,
                                      .kv_heads = 8,
                                      .memory = data,
                                      .scratch = data};
  fi_workspace_size(subject->kernel, &subject->workspace);
  subject->batch = (fi_batch){
      .struct_size = sizeof(fi_batch), .requests = 64, .kv_len = data, .page_table = data, .page_table_stride = 512};
  subject->tensors =
      (fi_tensors){.struct_size = sizeof(fi_tensors), .q = data, .o = data, .k.data = data, .v.data = data};
}

int main(void) {
  struct subject subject;
  fakes_reset();
  make_subject(&subject, "attention group=4 rows=16 page=16");
  time_call("fi_get_kernel hit", get_kernel, &subject);
  time_call("fi_plan, host share", plan, &subject);
  time_call("fi_run, host share", run, &subject);
  fi_ctx_destroy(subject.ctx);
  return 0;
}
