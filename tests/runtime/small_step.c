/* Both requests have one page, and all bytes of Q, K and V are one. */
#include "small_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PAGE = 16,
  BYTES = 4096,
  AT_LENGTHS = 0,
  AT_PAGES = 256,
  AT_Q = 512,
  AT_O = 2048,
  AT_K = BYTES,
  AT_V = 2 * BYTES
};
enum { Q_BYTES = SMALL_O_BYTES, ANY_NUMBERS = 0x3c, SPOILED = 0xff };

static void check(const struct small_step *step) {
  if (!device_failed(&step->device))
    return;
  fprintf(stderr, "%s\n", step->device.error);
  exit(EXIT_FAILURE);
}

void small_step_open(struct small_step *step, const char *driver) {
  static const int32_t lengths[SMALL_REQUESTS] = {5, 16};
  static const int32_t pages[SMALL_REQUESTS] = {0, 1};
  *step = (struct small_step){.workspace = {.struct_size = sizeof(fi_workspace),
                                            .max_requests = SMALL_REQUESTS,
                                            .max_tokens = SMALL_REQUESTS,
                                            .max_kv_len = PAGE,
                                            .kv_heads = 1,
                                            .ctas = 2}};
  device_open(&step->device, driver);
  step->memory = device_alloc(&step->device, 3 * BYTES);
  device_fill(&step->device, step->memory, ANY_NUMBERS, 3 * BYTES);
  device_upload(&step->device, step->memory + AT_LENGTHS, lengths, sizeof lengths);
  device_upload(&step->device, step->memory + AT_PAGES, pages, sizeof pages);
  check(step);
}

void small_step_close(struct small_step *step) {
  device_free(&step->device, step->memory);
  device_free(&step->device, step->workspace.memory);
  device_free(&step->device, step->workspace.scratch);
  check(step);
  device_close(&step->device);
}

fi_status small_step_kernel(fi_ctx *ctx, fi_kernel **kernel) {
  fi_spec spec;
  const fi_status status = fi_spec_parse(SMALL_STEP_SPEC, &spec);
  return status ? status : fi_get_kernel(ctx, &spec, kernel);
}

fi_status small_step_workspace(struct small_step *step, fi_kernel *kernel) {
  const fi_status status = fi_workspace_size(kernel, &step->workspace);
  if (status || step->workspace.memory)
    return status;
  step->workspace.memory = device_alloc(&step->device, step->workspace.bytes);
  step->workspace.scratch = device_alloc(&step->device, step->workspace.scratch_bytes);
  check(step);
  return FI_OK;
}

fi_status small_step_plan(struct small_step *step, fi_kernel *kernel) {
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = SMALL_REQUESTS,
                          .kv_len = (const int32_t *)(void *)(step->memory + AT_LENGTHS),
                          .page_table = (const int32_t *)(void *)(step->memory + AT_PAGES),
                          .page_table_stride = 1};
  return fi_plan(kernel, &batch, &step->workspace, NULL);
}

fi_status small_step_run(struct small_step *step, fi_kernel *kernel) {
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .q = step->memory + AT_Q,
                              .o = step->memory + AT_O,
                              .k.data = step->memory + AT_K,
                              .v.data = step->memory + AT_V};
  return fi_run(kernel, &tensors, &step->workspace, NULL);
}

void small_step_read(struct small_step *step) {
  device_sync(&step->device, NULL);
  device_download(&step->device, step->o, step->memory + AT_O, SMALL_O_BYTES);
  device_fill(&step->device, step->memory + AT_O, SPOILED, SMALL_O_BYTES);
  check(step);
}
