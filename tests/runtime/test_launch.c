/* What fi_plan and fi_run hand to the driver. */
#include "fakes.h"

#include "runtime/kernel.h"
#include "runtime/workspace.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(launch, .init = fakes_reset);

static fi_workspace workspace_of(const fi_kernel *kernel) {
  fi_workspace workspace = {
      .struct_size = sizeof workspace, .max_requests = 8, .max_tokens = 40, .max_kv_len = 1000, .kv_heads = 2};
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  workspace.memory = address(0x100000);
  workspace.scratch = address(0x9000000);
  return workspace;
}

/* The first plan of the last launch, which was of a plan kernel and shared batches out. */
static struct fi_plan_args launched_plan(void) {
  struct fi_plans_args args;
  memcpy(&args, fakes.args, sizeof args);
  cr_assert_eq(args.stage, FI_STAGE_SHARE);
  return args.plans[0];
}

static fi_batch dense_batch(void) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = 5,
                    .q_indptr = address(0x1000),
                    .kv_len = address(0x2000),
                    .page_table = address(0x3000),
                    .page_table_stride = 63};
}

static fi_tensors attention_tensors(void) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = address(0x10000),
                      .o = address(0x20000),
                      .k.data = address(0x30000),
                      .v.data = address(0x40000)};
}

Test(launch, plan) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16 page=16");
  const fi_workspace workspace = workspace_of(kernel);
  const fi_batch batch = dense_batch();
  int stream;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, &stream), FI_OK, "%s", fi_last_error());
  struct fi_plan_args args;
  args = launched_plan();
  cr_expect_str_eq(fakes.symbol, "flashjit_plan");
  cr_expect_eq(fakes.launch.stream, &stream);
  cr_expect_eq(fakes.launch.ctas, 64);
  cr_expect_eq(fakes.launch.shape.threads, kernel->plan->tile.threads);
  cr_expect(fakes.launch.shape.overlaps);
  cr_expect_eq(args.plan.header, workspace.memory);
  cr_expect_eq(args.q_indptr, batch.q_indptr);
  cr_expect_eq(args.kv_len, batch.kv_len);
  cr_expect_null(args.kv_indptr);
  cr_expect_eq(args.page_table, batch.page_table);
  cr_expect_eq(args.page_table_stride, 63);
  cr_expect_eq(args.requests, 5);
  cr_expect_eq(args.csr, 0);
  cr_expect_eq(args.causal, 1);
  cr_expect_eq(args.kv_heads, 2);
  cr_expect_eq(args.tile_tokens, 4);
  cr_expect_eq(args.tile_rows, 16);
  cr_expect_eq(args.group, 4);
  cr_expect_eq(args.step_tokens, (int)tile_step_tokens(&kernel->tile));
  cr_expect_not(args.fixed);
  cr_expect_null(args.tile_begin, "shared memory holds the line");
  cr_expect_eq(args.ctas, FAKE_SMS * (int)kernel->tile.ctas_per_sm);
  cr_expect_eq(args.max_tokens, 40);
  cr_expect_eq(args.max_kv_len, 1000);
  cr_expect_eq(fakes.launch.shape.dynamic_shared, (8 + 18 + (uint32_t)args.ctas + 3) * 4,
               "requests, tiles, CTAs and the ends of the three lists");
  cr_expect_eq(args.max_sections, 1, "a small tile has one section");
  cr_expect_eq(args.least_piece, 1, "its units may be cut anywhere");
  cr_expect_eq(args.unit_steps, 0, "and cost what their KV does");
  cr_expect_eq(args.share_steps, 4, "and in small batches some steps are one share");
  fi_ctx_destroy(ctx);
}

/* Eight plans a launch, which has the shared memory of the largest. */
Test(launch, several_plans_at_once) {
  enum { PLANS = 10, LARGE = 3 };
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernels[PLANS];
  fi_workspace workspaces[PLANS];
  const fi_batch batch = dense_batch();
  const fi_batch *batches[PLANS];
  const fi_workspace *pointers[PLANS];
  for (uintptr_t i = 0; i < PLANS; i++) {
    kernels[i] = kernel_of(ctx, "attention group=4 rows=16 page=16");
    workspaces[i] = workspace_of(kernels[i]);
    workspaces[i].memory = address(0x100000 * (i + 1));
    workspaces[i].bytes = 1 << 30;
    workspaces[i].max_requests = i == LARGE ? 900 : 8;
    batches[i] = &batch;
    pointers[i] = &workspaces[i];
  }
  cr_assert_eq(fi_plan_all(kernels, batches, pointers, LARGE + 2, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 1);
  cr_expect_eq(fakes.launch.ctas, (LARGE + 2) * 64);
  struct fi_plans_args args;
  memcpy(&args, fakes.args, sizeof args);
  const uint32_t ctas = (uint32_t)args.plans[0].ctas;
  cr_expect_eq(fakes.launch.shape.dynamic_shared, (900 + 40 + ctas + 3) * 4, "of the largest, which is not the last");
  fakes.launches = 0;
  cr_assert_eq(fi_plan_all(kernels, batches, pointers, PLANS, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 2);
  cr_expect_eq(fakes.launch.ctas, 2 * 64);
  kernels[1] = kernel_of(ctx, "attention group=4 rows=16 page=16 left=900");
  for (uint32_t first = 0; first < 3; first++) { /* by the plan kernel that knows windows, wherever it is */
    cr_assert_eq(fi_plan_all(kernels + first, batches, pointers, 2, NULL), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fakes.symbol, kernels[first < 2 ? 1 : 2]->plan->module.kernel, "from %u on", first);
  }
  workspaces[1].memory = workspaces[0].memory;
  cr_expect_eq(fi_plan_all(kernels, batches, pointers, 2, NULL), FI_ERROR_ARGUMENT);
  cr_expect(strstr(fi_last_error(), "workspaces[1] has memory of workspaces[0]"), "%s", fi_last_error());
  workspaces[1].memory = address(0x100000 - 256); /* which ends within that of the first */
  cr_expect_eq(fi_plan_all(kernels, batches, pointers, 2, NULL), FI_ERROR_ARGUMENT);
  cr_expect(strstr(fi_last_error(), "workspaces[1] has memory of workspaces[0]"), "%s", fi_last_error());
  cr_expect_eq(fi_plan_all(kernels, batches, pointers, 0, NULL), FI_ERROR_ARGUMENT);
  cr_expect_eq(fi_plan_all(kernels, batches, pointers, FI_MOST_PLANS + 1, NULL), FI_ERROR_ARGUMENT);
  fi_ctx_destroy(ctx);
}

Test(launch, older_gpus_do_not_overlap_launches) {
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_80"});
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16 page=16");
  const fi_batch batch = dense_batch();
  fakes.major = 8;
  const fi_workspace workspace = workspace_of(kernel);
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launch.ctas, 64);
  cr_expect_not(fakes.launch.shape.overlaps);
  fi_ctx_destroy(ctx);
}

Test(launch, two_tiles_of_the_same_latents_are_a_pair) {
  static const struct {
    const char *spec;
    bool pairs;
  } cases[] = {
      {"attention hd=576 v_dim=512 group=128 rows=128 page=64 v_source=keys", true},
      {"attention hd=576 v_dim=512 group=64 rows=64 page=64 v_source=keys", false},
      {"attention group=4 rows=16 page=16", false},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_expect_eq(kernel_shape(kernel_of(ctx, cases[i].spec)).pairs, cases[i].pairs, "%s", cases[i].spec);
  fi_ctx_destroy(ctx);
}

Test(launch, plan_of_split_csr_and_unmasked) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention index=csr mask=none rows=64");
  fi_workspace workspace = workspace_of(kernel);
  fi_batch batch = {.struct_size = sizeof batch, .requests = 1, .kv_indptr = address(0x5000)};
  struct fi_plan_args args;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  args = launched_plan();
  cr_expect_eq(args.csr, 1);
  cr_expect_eq(args.causal, 0);
  cr_expect_eq(fakes.launch.ctas, 64);
  cr_expect_eq(fakes.launch.shape.dynamic_shared, (8 + 8 + (uint32_t)args.ctas + 3) * 4,
               "40 tokens fill no tile of 64: one a request");
  cr_expect_eq(args.max_sections, 4);
  cr_expect_eq(args.unit_steps, 2);
  cr_expect_eq(args.least_piece, 8);
  cr_expect_gt(args.least_piece, args.unit_steps);
  cr_expect_eq(args.section_steps, (24 << 20) / (2 * args.step_tokens * 128 * 2));

  const fi_tensors tensors = attention_tensors();
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "ragged KV needs no page stride: %s",
               fi_last_error());

  workspace.split_tokens = 512;
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK);
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  args = launched_plan();
  cr_expect(args.fixed);
  cr_expect_eq(args.step_tokens, 512);
  cr_expect_eq(args.start_tokens, (int)kernel->tile.start_tokens);
  cr_expect_eq(args.max_sections, 1, "fixed pieces take no part in sections");
  cr_expect_eq(args.unit_steps, 0);
  cr_expect_eq(args.share_steps, 1, "a fixed split is what it says");
  cr_expect_eq(args.least_piece, 1);
  fi_ctx_destroy(ctx);
}

Test(launch, attention) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16 page=16 lse=1");
  const fi_workspace workspace = workspace_of(kernel);
  fi_tensors tensors = attention_tensors();
  struct fi_attention_args args;
  int stream;
  tensors.lse = address(0x50004);
  tensors.softmax_scale = 0.25f;
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, &stream), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_str_eq(fakes.symbol, "flashjit_attention");
  cr_expect_eq(fakes.launch.stream, &stream);
  cr_expect_eq(fakes.launch.ctas, FAKE_SMS * kernel->tile.ctas_per_sm);
  cr_expect_eq(fakes.launch.shape.threads, kernel->tile.threads);
  cr_expect_eq(fakes.launch.shape.dynamic_shared, kernel->tile.shared_bytes);
  cr_expect(fakes.launch.shape.overlaps);
  cr_expect_eq(args.plan.header, workspace.memory);
  cr_expect_eq(args.q, tensors.q);
  cr_expect_eq(args.o, tensors.o);
  cr_expect_eq(args.lse, tensors.lse);
  cr_expect_eq(args.k.data, tensors.k.data);
  cr_expect_eq(args.v.data, tensors.v.data);
  cr_expect_eq(args.q_token_stride, 8 * 128);
  cr_expect_eq(args.q_head_stride, 128);
  cr_expect_eq(args.o_token_stride, 8 * 128);
  cr_expect_eq(args.o_head_stride, 128);
  cr_expect_eq(args.k.page_stride, 16 * 2 * 128);
  cr_expect_eq(args.k.token_stride, 2 * 128);
  cr_expect_eq(args.k.head_stride, 128);
  cr_expect_eq(args.lse_token_stride, 8);
  cr_expect_float_eq(args.scale_log2, 0.25 * log2(exp(1)), 1e-6);
  fi_ctx_destroy(ctx);
}

Test(launch, strides_and_grid_as_given) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention rows=16 page=16");
  fi_workspace workspace = workspace_of(kernel);
  fi_tensors tensors = attention_tensors();
  struct fi_attention_args args;
  workspace.ctas = 5;
  tensors.q_token_stride = 6 * 128;
  tensors.o_head_stride = 256;
  tensors.o_token_stride = 512;
  tensors.k.head_stride = 16 * 128; /* HND, K and V of a page after each other */
  tensors.k.token_stride = 128;
  tensors.k.page_stride = 2 * 2 * 16 * 128;
  tensors.v.head_stride = 128; /* NHD, with room between tokens */
  tensors.v.token_stride = 3 * 128;
  tensors.v.page_stride = 16 * 3 * 128;
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_eq(fakes.launch.ctas, 5);
  cr_expect_eq(args.q_token_stride, 6 * 128);
  cr_expect_eq(args.q_head_stride, 128);
  cr_expect_eq(args.o_token_stride, 512);
  cr_expect_eq(args.o_head_stride, 256);
  cr_expect_eq(args.k.page_stride, 4 * 16 * 128);
  cr_expect_eq(args.k.token_stride, 128);
  cr_expect_eq(args.k.head_stride, 16 * 128);
  cr_expect_eq(args.v.token_stride, 3 * 128);
  cr_expect_eq(args.v.head_stride, 128);
  cr_expect_float_eq(args.scale_log2, log2(exp(1)) / sqrt(128), 1e-6);
  tensors.softmax_scale = 1e-30f;
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_float_eq(args.scale_log2, 1.442695e-30, 1e-35);
  fi_ctx_destroy(ctx);
}

Test(launch, append_reads_the_rows_of_an_attention_plan) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *attention = kernel_of(ctx, "attention group=4 page=16 kv=e4m3 rows=64");
  fi_kernel *append = kernel_of(ctx, "append page=16 kv=e4m3");
  const fi_workspace workspace = workspace_of(attention);
  const fi_batch batch = dense_batch();
  fi_tensors tensors = attention_tensors();
  struct fi_append_args args;
  struct fi_plan_args plan;
  tensors.k_new.data = address(0x60000);
  tensors.v_new.data = address(0x70000);
  cr_assert_eq(fi_plan(attention, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  plan = launched_plan();
  cr_assert_eq(fi_run(append, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_str_eq(fakes.symbol, "flashjit_append");
  cr_expect_eq(args.plan.header, plan.plan.header);
  cr_expect_eq(args.plan.rows, plan.plan.rows);
  cr_expect_eq(args.k_new.data, tensors.k_new.data);
  cr_expect_eq(args.v_new.data, tensors.v_new.data);
  cr_expect_eq(args.k.data, tensors.k.data);
  cr_expect_eq(args.v.data, tensors.v.data);
  cr_expect_eq(args.k_new.token_stride, 2 * 128);
  cr_expect_eq(args.v_new.token_stride, 2 * 128);
  cr_expect_eq(args.k_new.head_stride, 128);
  cr_expect_eq(args.k.page_stride, 16 * 2 * 128);
  cr_expect_eq(args.kv_heads, 2);
  cr_expect_eq(fakes.launch.ctas, 80, "tokens x KV heads");
  fi_ctx_destroy(ctx);
}

/* Prefixes count in steps; they are looked for where two requests fit a tile and the search fits shared memory. */
Test(launch, plan_that_looks_for_prefixes) {
  static const struct {
    const char *spec;
    uint32_t split_tokens;
    uint32_t requests;
    int share_tokens;
  } rows[] = {
      {"attention group=4 page=16", 0, 20, 0},
      {"attention group=4 page=16 prefixes=1", 0, 20, 128},
      {"attention group=4 page=16 prefixes=1", 512, 20, 512},
      {"attention group=8 page=16 prefixes=1", 0, 20, 128},
      {"attention group=9 page=16 prefixes=1", 0, 20, 128},
      {"attention group=9 page=16 prefixes=1", 512, 20, 0},
      {"attention group=9 rows=16 page=16 prefixes=1", 0, 20, 0},
      {"attention group=9 rows=32 page=16 prefixes=1", 0, 20, 128},
      {"attention group=4 prefixes=1", 0, 20, 0},
      {"attention group=4 page=16 prefixes=1", 0, 20000, 0},
      {"attention group=4 page=16 prefixes=1", 0, 4000, 0},
      {"attention group=4 page=16 prefixes=2", 0, 20, 128},
      {"attention group=4 page=16 prefixes=2", 0, 4000, 128},
      {"attention group=4 page=16 prefixes=2", 0, 20000, 0},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_kernel *kernel = kernel_of(ctx, rows[i].spec);
    fi_workspace workspace = workspace_of(kernel);
    const int32_t *told = address(0x8000);
    fi_batch batch = dense_batch();
    batch.shared = told;
    workspace.split_tokens = rows[i].split_tokens;
    workspace.max_requests = rows[i].requests;
    workspace.max_tokens = rows[i].requests;
    cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s: %s", rows[i].spec, fi_last_error());
    cr_expect_eq(launched_plan().share_tokens, rows[i].share_tokens, "row %zu: %d", i, launched_plan().share_tokens);
    cr_expect_eq(launched_plan().shared, kernel->spec.prefixes == 2 ? told : NULL, "row %zu", i);
  }
  fi_ctx_destroy(ctx);
}

Test(launch, plan_of_an_append_kernel_has_rows_only) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "append page=16");
  const fi_workspace workspace = workspace_of(kernel);
  const fi_batch batch = dense_batch();
  struct fi_plan_args args;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  args = launched_plan();
  cr_expect_eq(args.ctas, 0);
  cr_expect_eq(args.tile_tokens, 1);
  cr_expect_eq(args.max_tokens, 40);
  fi_ctx_destroy(ctx);
}

Test(launch, merge) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "merge lse=1");
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .o = address(0x20000),
                              .lse = address(0x50000),
                              .parts_o = address(0x80000),
                              .parts_lse = address(0x90000),
                              .parts = 3,
                              .tokens = 7,
                              .heads = 5};
  struct fi_merge_args args;
  cr_assert_eq(fi_run(kernel, &tensors, NULL, NULL), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_eq(args.parts_o, tensors.parts_o);
  cr_expect_eq(args.parts_lse, tensors.parts_lse);
  cr_expect_eq(args.o, tensors.o);
  cr_expect_eq(args.lse, tensors.lse);
  cr_expect_eq(args.o_token_stride, 5 * 128);
  cr_expect_eq(args.o_head_stride, 128);
  cr_expect_eq(args.parts, 3);
  cr_expect_eq(args.tokens, 7);
  cr_expect_eq(args.heads, 5);
  cr_expect_eq(fakes.launch.ctas, 9, "a warp a row, 4 warps a CTA");
  fi_ctx_destroy(ctx);
}

struct part {
  const void *address;
  uint64_t bytes;
};

/* The parts follow each other from the memory's beginning to its end. */
static void expect_packed(const struct part *parts, size_t count, const void *memory, uint64_t bytes) {
  uintptr_t end = (uintptr_t)memory;
  for (size_t i = 0; i < count; i++) {
    const uintptr_t begin = (uintptr_t)parts[i].address;
    cr_expect_eq(begin % 256, 0);
    cr_expect_geq(begin, end, "part %zu", i);
    cr_expect_lt(begin - end, 256, "part %zu", i);
    end = begin + parts[i].bytes;
  }
  cr_expect_leq(end, (uintptr_t)memory + bytes);
  cr_expect_gt(end + 256, (uintptr_t)memory + bytes);
}

Test(launch, arrays_do_not_overlap_and_end_at_the_size) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention group=2 rows=128");
  const fi_workspace workspace = workspace_of(kernel);
  struct workspace_parts parts;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK, "%s", fi_last_error());
  cr_assert_eq(parts.count, 1);
  const struct workspace_layout layout = parts.of[0].layout;
  const struct workspace_counts *counts = &layout.counts;
  const struct part memory[] = {
      {layout.arrays.plan.header, sizeof(struct fi_plan_header)},
      {layout.arrays.plan.rows, counts->rows * sizeof(struct fi_row)},
      {layout.arrays.checked, counts->checked * sizeof(int)},
      {layout.arrays.second_checked, counts->second_checked * sizeof(int)},
      {layout.arrays.tile_begin, counts->tile_begins * sizeof(int)},
      {layout.arrays.step_begin, counts->step_begins * sizeof(int)},
      {layout.arrays.plan.first, counts->first * sizeof(struct fi_item)},
      {layout.arrays.plan.items, counts->items * sizeof(struct fi_item)},
      {layout.arrays.plan.queue, counts->queue * sizeof(struct fi_queue)},
      {layout.arrays.plan.units, counts->merges * sizeof(struct fi_unit)},
      {layout.arrays.plan.arrivals, counts->merges * sizeof(unsigned)},
  };
  const struct part scratch[] = {
      {layout.arrays.plan.part_o, counts->partial_rows * 128 * sizeof(float)},
      {layout.arrays.plan.part_ml, counts->partial_rows * 2 * sizeof(float)},
      {layout.arrays.plan.group_ml, counts->partial_rows * 2 * sizeof(float)},
  };
  expect_packed(memory, sizeof memory / sizeof *memory, workspace.memory, workspace.bytes);
  expect_packed(scratch, sizeof scratch / sizeof *scratch, workspace.scratch, workspace.scratch_bytes);
  fi_ctx_destroy(ctx);
}

Test(launch, capture_needs_a_prepared_kernel) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention rows=16 page=16");
  const fi_workspace workspace = workspace_of(kernel);
  const fi_batch batch = dense_batch();
  const fi_tensors tensors = attention_tensors();
  fakes.capturing = true;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "prepared by fi_get_kernel");
  fakes.device = 1;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_ERROR_CAPTURE);
  cr_expect_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_ERROR_CAPTURE);
  cr_expect(strstr(fi_last_error(), "fi_kernel_prepare"), "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 1);
  cr_expect_eq(fi_kernel_prepare(kernel), FI_OK);
  cr_expect_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK);
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK);
  fakes.capturing = false;
  fakes.device = 2;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "prepared on the way");
  fi_ctx_destroy(ctx);
}
