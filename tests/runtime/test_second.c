/* Bad input to lists of a second KV: each case changes one thing of calls that work. */
#include "change.h"
#include "fakes.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(second, .init = fakes_reset);

#define SPEC(field, value) CHANGE(fi_spec, field, value)
#define WORKSPACE(field, value) CHANGE(fi_workspace, field, value), FI_ERROR_ARGUMENT
#define BATCH(field, value) CHANGE(fi_batch, field, value), FI_ERROR_ARGUMENT
#define TENSORS(field, value) CHANGE(fi_tensors, field, value), FI_ERROR_ARGUMENT

static fi_spec spec_with(const char *more) {
  char text[FI_SPEC_TEXT_SIZE];
  snprintf(text, sizeof text, "attention group=4 page=16 select=1 second=8%s", more);
  return spec_of(text);
}

Test(second, specs) {
  static const struct change changes[] = {
      {"", SPEC(second_page, 16385), FI_ERROR_SPEC, "second_page is 16385; allowed: 0 to 16384"},
      {"", SPEC(select, 0), FI_ERROR_UNSUPPORTED, "second_page is 8 with select 0: lists say what is seen of a second"},
      {"", SPEC(page_size, 0), FI_ERROR_UNSUPPORTED, "second_page is 8 with page_size 0: a second KV is beside one in"},
      {"", SPEC(index, FI_INDEX_CSR), FI_ERROR_UNSUPPORTED, "second_page is 8 with index csr: a second KV is found by"},
      {"", SPEC(family, FI_FAMILY_WGMMA), FI_ERROR_UNSUPPORTED, "has no tile"},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    fi_spec spec = spec_with(changes[i].spec);
    cr_assert_eq(fi_spec_supported(&spec, NULL), FI_OK, "%s", fi_last_error());
    change_apply(&changes[i], &spec);
    change_expect(&changes[i], fi_spec_supported(&spec, NULL));
  }
}

static fi_batch good_batch(void) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = 8,
                    .kv_len = address(0x2000),
                    .page_table = address(0x4000),
                    .page_table_stride = 63,
                    .second_page_table = address(0xa000),
                    .second_page_table_stride = 5,
                    .second_kv_len = address(0xb000)};
}

static fi_tensors good_tensors(void) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = address(0x10000),
                      .o = address(0x20000),
                      .k.data = address(0x50000),
                      .v.data = address(0x60000),
                      .k.scales = address(0x70000),
                      .v.scales = address(0x80000),
                      .selected = address(0x110000),
                      .second_k.data = address(0x120000),
                      .second_v.data = address(0x130000),
                      .second_k.scales = address(0x140000),
                      .second_v.scales = address(0x150000)};
}

/* Window and list together are a line that is counted in 31 bits. */
Test(second, workspaces) {
  static const struct change changes[] = {
      {" left=128", WORKSPACE(max_selected, 0x80000000),
       "workspace.max_selected is 2147483648; with select=1 it must be 1 to 2147483519"},
      {" left=128 ranges=1", WORKSPACE(max_selected, 0x7fffffff),
       "workspace.max_selected is 2147483647; with select=1 it must be 1 to 2147482647"},
      {"", WORKSPACE(max_selected, 0x7fffffff),
       "workspace.max_selected is 2147483647; with select=1 it must be 1 to 2147482647"},
      {" left=128 mask=none", WORKSPACE(max_selected, 0x7fffffff),
       "workspace.max_selected is 2147483647; with select=1 it must be 1 to 2147482647"},
      {"", WORKSPACE(max_kv_len, 0x7fffffff),
       "workspace.max_kv_len is 2147483647; with select=1 that leaves no room for a list"},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    const fi_spec spec = spec_with(changes[i].spec);
    fi_kernel *kernel;
    cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
    fi_workspace workspace = good_workspace(kernel, 8);
    change_apply(&changes[i], &workspace);
    change_expect(&changes[i], fi_workspace_size(kernel, &workspace));
  }
  fi_ctx_destroy(ctx);
}

Test(second, batches) {
  static const struct change changes[] = {
      {"", BATCH(second_page_table, 0), "batch.second_page_table is NULL; spec.second_page needs it"},
      {" ids=int64", BATCH(second_page_table, 0xa004), "batch.second_page_table is 0xa004; it must be aligned to 8"},
      {"", BATCH(second_kv_len, 0), "batch.second_kv_len is NULL; spec.second_page needs it"},
      {"", BATCH(second_page_table_stride, 0), "batch.second_page_table_stride is 0; it must be 1 or more"},
      {"", BATCH(second_page_count, 0x80000000), "batch.second_page_count is 2147483648; it must be 0 to 2147483647"},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    const fi_spec spec = spec_with(changes[i].spec);
    fi_kernel *kernel;
    cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
    fi_workspace workspace = good_workspace(kernel, 8);
    fi_batch batch = good_batch();
    cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
    change_apply(&changes[i], &batch);
    change_expect(&changes[i], fi_plan(kernel, &batch, &workspace, NULL));
  }
  fi_ctx_destroy(ctx);
}

Test(second, tensors) {
  static const struct change changes[] = {
      {"", TENSORS(second_k.data, 0), "tensors.second_k.data is NULL; the cache needs it"},
      {"", TENSORS(second_v.data, 0x130008), "tensors.second_v.data is 0x130008; it must be aligned to 16 bytes"},
      {"", TENSORS(second_k.token_stride, 7),
       "tensors.second_k.token_stride is 7; it must be 0 (packed) or at least head_dim, 128"},
      {"", TENSORS(second_v.page_stride, 4097),
       "tensors.second_v.page_stride is 4097; it must be a multiple of 8 elements (16 bytes)"},
      {"", TENSORS(second_k.page_stride, 1024),
       "tensors.second_k.page_stride is 1024 and tensors.second_k.token_stride is 256; rows would overlap"},
      {" kv=e4m3 scale=head", TENSORS(second_v.scale, 0x3f800000),
       "tensors.second_v.scale is 1; it must be 0, as that of v is for both KVs"},
      {" kv=e4m3", TENSORS(second_k.scale, 0xbf800000), "tensors.second_k.scale is -1; it must be 0, as that of k is"},
      {" kv=int8 scale=token", TENSORS(second_k.scales, 0), "tensors.second_k.scales is NULL; kv_scale needs it"},
      {" kv=int4", TENSORS(second_v.scales, 0), "tensors.second_v.scales is NULL; 4-bit types need it"},
      {" kv=e4m3 scale=head", TENSORS(k.scales, 0), "tensors.k.scales is NULL; kv_scale needs it"},
      {"", CHANGE(fi_tensors, second_k.unused, 1), FI_ERROR_ABI, "tensors.second_k.unused is 1; it must be 0"},
      {"", CHANGE(fi_tensors, second_v.reserved[5], 1), FI_ERROR_ABI, "tensors.second_v.reserved[5] is 1"},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    const fi_spec spec = spec_with(changes[i].spec);
    fi_kernel *kernel;
    cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
    const fi_workspace workspace = good_workspace(kernel, 8);
    fi_tensors tensors = good_tensors();
    cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s: %s", changes[i].spec, fi_last_error());
    change_apply(&changes[i], &tensors);
    change_expect(&changes[i], fi_run(kernel, &tensors, &workspace, NULL));
  }
  fi_ctx_destroy(ctx);
}

/* Scales of all tokens or of a head are those of the first KV for both. */
Test(second, scales_of_heads_are_the_first_ones) {
  fi_ctx *ctx = make_context(NULL);
  const fi_spec spec = spec_with(" kv=e4m3 scale=head");
  fi_kernel *kernel;
  cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
  const fi_workspace workspace = good_workspace(kernel, 8);
  fi_tensors tensors = good_tensors();
  tensors.second_k.scales = NULL;
  tensors.second_v.scales = NULL;
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}
