/* Prints what a second fi_get_kernel costs, and fi_plan and fi_run without a driver's share. Asserts nothing.
 */
#include "fakes.h"

#include "runtime/clock.h"

#include <stdio.h>

enum { CALLS = 2000000 };

static double ns_per_call(double begin) {
  return (clock_ms() - begin) * 1e6 / CALLS;
}

static void time_hit(fi_ctx *ctx, const char *text) {
  const fi_spec spec = spec_of(text);
  fi_kernel *kernel = kernel_of(ctx, text);
  const double begin = clock_ms();
  for (int i = 0; i < CALLS; i++)
    fi_get_kernel(ctx, &spec, &kernel);
  printf("fi_get_kernel hit    %6.1f ns\n", ns_per_call(begin));
}

static void time_launches(fi_ctx *ctx, const char *text) {
  fi_kernel *kernel = kernel_of(ctx, text);
  fi_workspace workspace = {.struct_size = sizeof workspace,
                            .max_requests = 64,
                            .max_tokens = 64,
                            .max_kv_len = 8192,
                            .kv_heads = 8};
  fi_workspace_size(kernel, &workspace, &workspace.bytes);
  workspace.memory = (void *)0x100000;
  const void *data = (const void *)0x10000;
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = 64,
                          .kv_len = data,
                          .page_table = data,
                          .page_table_stride = 512};
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .q = data,
                              .o = (void *)0x20000,
                              .k_cache = (void *)0x30000,
                              .v_cache = (void *)0x40000};
  double begin = clock_ms();
  for (int i = 0; i < CALLS; i++)
    fi_plan(kernel, &batch, &workspace, NULL);
  printf("fi_plan, host share  %6.1f ns\n", ns_per_call(begin));
  begin = clock_ms();
  for (int i = 0; i < CALLS; i++)
    fi_run(kernel, &tensors, &workspace, NULL);
  printf("fi_run, host share   %6.1f ns\n", ns_per_call(begin));
}

int main(void) {
  fakes_reset();
  fi_ctx *ctx = make_context(NULL);
  time_hit(ctx, "attention group=4 page=16");
  time_launches(ctx, "attention group=4 page=16");
  fi_ctx_destroy(ctx);
  return 0;
}
