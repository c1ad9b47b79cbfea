/*
 * Every public function that takes a struct, held to the rule for public structs: each case spoils one word
 * of a call that works.
 */
#include "fakes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(abi, .init = fakes_reset);

/* One of each struct, as good calls take them. */
struct scene {
  fi_ctx *ctx;
  fi_kernel *kernel;
  fi_spec spec;
  fi_axis axis;
  fi_options options;
  fi_counters counters;
  fi_facts facts;
  fi_workspace workspace;
  fi_batch batch;
  fi_tensors tensors;
};

static void set_scene(struct scene *scene, const char *directory) {
  fi_ctx *ctx = make_context(directory);
  *scene = (struct scene){
      .ctx = ctx,
      .kernel = kernel_of(ctx, "attention group=4 rows=16 page=16"),
      .spec = spec_of("attention group=4 rows=16 page=16"),
      .axis.struct_size = sizeof scene->axis,
      .options = {.struct_size = sizeof scene->options, .cache_dir = ""},
      .counters.struct_size = sizeof scene->counters,
      .facts.struct_size = sizeof scene->facts,
      .workspace = {.struct_size = sizeof scene->workspace,
                    .max_requests = 8,
                    .max_tokens = 8,
                    .max_kv_len = 1000,
                    .bytes = UINT64_MAX,
                    .memory = address(0x100000),
                    .scratch_bytes = UINT64_MAX,
                    .scratch = address(0x900000),
                    .kv_heads = 2},
      .batch = {.struct_size = sizeof scene->batch,
                .requests = 8,
                .kv_len = address(0x2000),
                .page_table = address(0x4000),
                .page_table_stride = 63},
      .tensors = {.struct_size = sizeof scene->tensors,
                  .q = address(0x10000),
                  .o = address(0x20000),
                  .k.data = address(0x50000),
                  .v.data = address(0x60000)},
  };
}

/* -------------------------------------------------------------------------------- calls */

static fi_status call_supported(struct scene *s) {
  return fi_spec_supported(&s->spec, NULL);
}

static fi_status call_get_kernel(struct scene *s) {
  fi_kernel *kernel;
  return fi_get_kernel(s->ctx, &s->spec, &kernel);
}

static fi_status call_precompile(struct scene *s) {
  return fi_precompile(s->ctx, &s->spec, &s->facts);
}

static fi_status call_axis(struct scene *s) {
  return fi_axis_describe(0, &s->axis);
}

static fi_status call_create(struct scene *s) {
  fi_ctx *ctx = NULL;
  const fi_status status = fi_ctx_create(&s->options, &ctx);
  fi_ctx_destroy(ctx);
  return status;
}

static fi_status call_counters(struct scene *s) {
  return fi_counters_read(s->ctx, &s->counters);
}

static fi_status call_facts(struct scene *s) {
  return fi_kernel_facts(s->kernel, &s->facts);
}

static fi_status call_size(struct scene *s) {
  return fi_workspace_size(s->kernel, &s->workspace);
}

static fi_status call_plan(struct scene *s) {
  return fi_plan(s->kernel, &s->batch, &s->workspace, NULL);
}

static fi_status call_run(struct scene *s) {
  return fi_run(s->kernel, &s->tensors, &s->workspace, NULL);
}

#define TAKES(function, record)                                                                                        \
  { #record, function, offsetof(struct scene, record), sizeof(fi_##record), offsetof(fi_##record, reserved) }

static const struct {
  const char *name;
  fi_status (*call)(struct scene *scene);
  size_t record; /* offset in the scene */
  uint32_t size;
  uint32_t reserved;
} cases[] = {
    TAKES(call_supported, spec), TAKES(call_get_kernel, spec),  TAKES(call_precompile, spec),
    TAKES(call_axis, axis),      TAKES(call_create, options),   TAKES(call_counters, counters),
    TAKES(call_facts, facts),    TAKES(call_precompile, facts), TAKES(call_size, workspace),
    TAKES(call_plan, workspace), TAKES(call_run, workspace),    TAKES(call_plan, batch),
    TAKES(call_run, tensors),
};

/* -------------------------------------------------------------------------------- tests */

static void expect_refusal(size_t i, struct scene scene, uint32_t offset, uint32_t value, const char *why) {
  char message[64];
  memcpy((char *)&scene + cases[i].record + offset, &value, sizeof value);
  snprintf(message, sizeof message, "%s.%s is %u; ", cases[i].name, why, value);
  cr_expect_eq(cases[i].call(&scene), FI_ERROR_ABI, "case %zu: %s", i, message);
  cr_expect_eq(strncmp(fi_last_error(), message, strlen(message)), 0, "case %zu, %s: %s", i, message, fi_last_error());
}

Test(abi, every_function_checks_its_structs) {
  char *directory = make_directory();
  struct scene scene;
  set_scene(&scene, directory);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const uint32_t size = cases[i].size;
    const uint32_t last = (size - cases[i].reserved) / 4 - 1;
    char last_word[32];
    snprintf(last_word, sizeof last_word, "reserved[%u]", last);
    cr_expect_eq(cases[i].call(&scene), FI_OK, "case %zu: %s", i, fi_last_error());
    expect_refusal(i, scene, 0, 0, "struct_size");
    expect_refusal(i, scene, 0, cases[i].reserved, "struct_size");
    expect_refusal(i, scene, 0, size + 4, "struct_size");
    expect_refusal(i, scene, cases[i].reserved, 1, "reserved[0]");
    expect_refusal(i, scene, cases[i].reserved + 4 * last, UINT32_MAX, last_word);
  }
  fi_ctx_destroy(scene.ctx);
  remove_directory(directory);
}

/* The look-up of fi_get_kernel reads a whole spec; the sanitizer sees a byte too many. */
Test(abi, a_struct_of_another_size_is_read_no_further) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel;
  uint32_t *size = malloc(sizeof *size);
  cr_assert_not_null(size);
  *size = sizeof *size;
  const fi_spec *spec = (const fi_spec *)(const void *)size;
  cr_expect_eq(fi_get_kernel(ctx, spec, &kernel), FI_ERROR_ABI);
  cr_expect_eq(fi_spec_supported(spec, NULL), FI_ERROR_ABI);
  free(size);
  fi_ctx_destroy(ctx);
}

Test(abi, a_kernels_spec_is_written_whole_whatever_the_struct_held) {
  fi_ctx *ctx = make_context(NULL);
  fi_spec spec;
  fi_spec clear = {0};
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16");
  memset(&spec, 0x55, sizeof spec);
  cr_assert_eq(fi_kernel_spec(kernel, &spec), FI_OK);
  cr_assert_eq(fi_kernel_spec(kernel, &clear), FI_OK);
  cr_expect_arr_eq(&spec, &clear, sizeof spec);
  fi_ctx_destroy(ctx);
}

static void check_event(void *user, const fi_event *event) {
  static const uint32_t clear[sizeof event->reserved / sizeof *event->reserved];
  cr_expect_eq(event->struct_size, sizeof *event);
  cr_expect_arr_eq(event->reserved, clear, sizeof clear);
  ++*(int *)user;
}

Test(abi, events_keep_the_rule_too) {
  int events = 0;
  fi_ctx *ctx = make_context_with((fi_options){.on_event = check_event, .user = &events});
  kernel_of(ctx, "merge");
  cr_expect_gt(events, 0);
  fi_ctx_destroy(ctx);
}
