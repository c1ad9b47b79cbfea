/* The tensor maps that fi_run asks of the driver. */
#include "fakes.h"

#include "flashjit_args.h"
#include "generator/family.h"
#include "runtime/kernel.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(maps, .init = fakes_reset);

enum { MANY = INT32_MAX };

/* The status of a launch on tensors at addresses that tell them apart. */
static fi_status run(fi_kernel *kernel, fi_tensors tensors) {
  fi_workspace workspace = {
      .struct_size = sizeof workspace, .max_requests = 8, .max_tokens = 40, .max_kv_len = 1000, .kv_heads = 2};
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  workspace.memory = address(0x100000);
  workspace.scratch = address(0x9000000);
  tensors.struct_size = sizeof tensors;
  tensors.q = address(0x10000);
  tensors.o = address(0x20000);
  tensors.k.data = address(0x30000);
  tensors.v.data = address(0x40000);
  return fi_run(kernel, &tensors, &workspace, NULL);
}

static void expect_tensor(const char *spec, uint32_t number, const struct tensor *expected) {
  const struct tensor *tensor = &fakes.mapped[number];
  cr_expect_eq(tensor->data, expected->data, "%s, map %u", spec, number);
  cr_expect_eq(tensor->rank, expected->rank, "%s, map %u", spec, number);
  for (uint32_t i = 0; i < expected->rank; i++) {
    cr_expect_eq(tensor->extents[i], expected->extents[i], "%s, map %u, extent %u is %lu", spec, number, i,
                 (unsigned long)tensor->extents[i]);
    cr_expect_eq(tensor->box[i], expected->box[i], "%s, map %u, box %u is %u", spec, number, i, tensor->box[i]);
  }
  for (uint32_t i = 0; i < expected->rank - 1; i++)
    cr_expect_eq(tensor->strides[i], expected->strides[i], "%s, map %u, stride %u is %lu", spec, number, i,
                 (unsigned long)tensor->strides[i]);
}

static const struct {
  const char *spec;
  fi_tensors tensors;
  struct tensor q, k, v; /* data apart */
} rows[] = {
    {"attention rows=128 group=3 index=csr hd=192 v_dim=72",
     {0},
     {.rank = 4, .extents = {192, 6, MANY, 1}, .strides = {384, 2304, 2304}, .box = {64, 3, 42, 1}},
     {.rank = 4, .extents = {192, 128, 2, MANY}, .strides = {768, 384, 768}, .box = {64, 128, 1, 1}},
     {.rank = 4, .extents = {72, 128, 2, MANY}, .strides = {288, 144, 288}, .box = {64, 128, 1, 1}}},
    {"attention rows=128 group=8",
     {.q_token_stride = 8192,
      .k.page_stride = 1 << 20,
      .v.page_stride = 1 << 21,
      .v.head_stride = 256,
      .v.token_stride = 512},
     {.rank = 4, .extents = {128, 16, MANY, 1}, .strides = {256, 16384, 16384}, .box = {64, 8, 16, 1}},
     {.rank = 5, .extents = {128, 128, 2, MANY, MANY}, .strides = {512, 256, 512, 2 << 20}, .box = {64, 128, 1, 1, 1}},
     {.rank = 5,
      .extents = {128, 128, 2, MANY, MANY},
      .strides = {1024, 512, 1024, 2 << 21},
      .box = {64, 128, 1, 1, 1}}},
    {"attention family=wgmma rows=128 group=4 page=16 kv=e4m3 v_dim=208",
     {.k.page_stride = 1 << 20},
     {.rank = 4, .extents = {128, 8, MANY, 1}, .strides = {256, 2048, 2048}, .box = {64, 4, 32, 1}},
     {.rank = 5, .extents = {64, 16, 2, 16, MANY}, .strides = {256, 128, 256, 1 << 20}, .box = {64, 16, 1, 1, 1}},
     {.rank = 5, .extents = {104, 16, 2, 16, MANY}, .strides = {416, 208, 416, 6656}, .box = {64, 16, 1, 1, 1}}},
    {"attention rows=128 page=48 hd=256",
     {0},
     {.rank = 4, .extents = {256, 2, MANY, 1}, .strides = {512, 1024, 1024}, .box = {64, 1, 128, 1}},
     {.rank = 5, .extents = {256, 16, 2, 48, MANY}, .strides = {1024, 512, 1024, 48 * 1024}, .box = {64, 16, 1, 1, 1}},
     {.rank = 5, .extents = {256, 16, 2, 48, MANY}, .strides = {1024, 512, 1024, 48 * 1024}, .box = {64, 16, 1, 1, 1}}},
};

static void expect_boxes(const char *spec, uint32_t number, struct tensor tensor, const void *data) {
  tensor.data = data;
  expect_tensor(spec, number, &tensor);
}

/* The map of boxes of K or V, the same of parts of 8 tokens, and of single ones, each with windows of as many. */
static void expect_kv(const char *spec, uint32_t first, struct tensor tensor, const void *data) {
  static const uint32_t smaller[] = {8, 1};
  expect_boxes(spec, first, tensor, data);
  for (uint32_t i = 0; i < 2; i++) {
    tensor.box[1] = smaller[i];
    tensor.extents[1] = smaller[i];
    expect_boxes(spec, first + 1 + i, tensor, data);
  }
}

Test(maps, say_where_tensors_are) {
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_kernel *kernel = kernel_of(ctx, rows[i].spec);
    fakes.maps = 0;
    cr_assert_eq(kernel->tile.family->number, FI_FAMILY_WGMMA);
    cr_assert_eq(run(kernel, rows[i].tensors), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fakes.maps, 8);
    struct tensor one_token = rows[i].q;
    one_token.box[2] = 1;
    expect_boxes(rows[i].spec, 0, rows[i].q, address(0x10000));
    expect_boxes(rows[i].spec, 1, one_token, address(0x10000));
    expect_kv(rows[i].spec, 2, rows[i].k, address(0x30000));
    expect_kv(rows[i].spec, 5, rows[i].v, address(0x40000));
  }
  fi_ctx_destroy(ctx);
}

Test(maps, are_part_of_the_argument) {
  struct fi_attention_maps_args args;
  fi_ctx *ctx = make_context(NULL);
  cr_assert_eq(run(kernel_of(ctx, "attention rows=128 index=csr"), (fi_tensors){0}), FI_OK, "%s", fi_last_error());
  memcpy(&args, fakes.args, sizeof args);
  const struct fi_tensor_map *maps[] = {&args.q,       &args.q_token, &args.k,      &args.k_part,
                                        &args.k_token, &args.v,       &args.v_part, &args.v_token};
  for (uint64_t i = 0; i < sizeof maps / sizeof *maps; i++)
    cr_expect_eq(maps[i]->words[15], 0x0101010101010101u * (i + 1));
  cr_expect_eq(args.attention.q, address(0x10000));
  cr_expect_eq((uintptr_t)fakes.launch.args % 64, 0);
  fi_ctx_destroy(ctx);
}

/* Rows of small pages are copied one by one. */
Test(maps, of_k_and_v_are_not_made_where_nothing_asks_them) {
  fi_ctx *ctx = make_context(NULL);
  cr_assert_eq(run(kernel_of(ctx, "attention rows=128 page=1"), (fi_tensors){0}), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.maps, 2);
  cr_assert_eq(run(kernel_of(ctx, "attention family=mma rows=128 page=1"), (fi_tensors){0}), FI_OK);
  cr_expect_eq(fakes.maps, 2);
  fi_ctx_destroy(ctx);
}

/* V that is in K is copied with it. */
Test(maps, of_v_in_k_are_not_made) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention hd=576 v_dim=512 group=64 page=64 v_source=keys");
  struct fi_attention_maps_args args;
  fakes.maps = 0;
  cr_assert_eq(kernel->tile.family->number, FI_FAMILY_WGMMA);
  cr_assert_eq(run(kernel, (fi_tensors){0}), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.maps, 5);
  memcpy(&args, fakes.args, sizeof args);
  cr_expect_eq(args.v.words[15], 0);
  fi_ctx_destroy(ctx);
}

Test(maps, that_the_driver_refuses_fail_the_launch) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention rows=128 index=csr");
  fakes.map_status = FI_ERROR_DRIVER;
  cr_expect_eq(run(kernel, (fi_tensors){0}), FI_ERROR_DRIVER);
  cr_expect_str_eq(fi_last_error(), "the fake driver maps nothing");
  cr_expect_eq(fakes.launches, 0);
  fi_ctx_destroy(ctx);
}
