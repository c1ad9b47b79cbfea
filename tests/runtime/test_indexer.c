/* Bad input to indexers: each case changes one thing of calls that work. */
#include "change.h"
#include "fakes.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(indexer, .init = fakes_reset);

#define SPEC(field, value) CHANGE(fi_spec, field, value)
#define TENSORS(field, value) CHANGE(fi_tensors, field, value)

Test(indexer, specs) {
  static const struct change changes[] = {
      {"indexer", SPEC(head_dim, 72), FI_ERROR_UNSUPPORTED,
       "head_dim is 72 with op indexer: heads of an indexer have multiples of 16 from 32 to 256 elements"},
      {"indexer", SPEC(head_dim, 512), FI_ERROR_UNSUPPORTED, "head_dim is 512 with op indexer"},
      {"indexer q=f16", SPEC(kv_dtype, FI_BF16), FI_ERROR_UNSUPPORTED, "kv_dtype is bf16 with op indexer: keys of an"},
      {"indexer", SPEC(kv_scale, FI_SCALE_TOKEN), FI_ERROR_UNSUPPORTED, "kv_scale is token with kv_dtype bf16"},
      {"indexer kv=e4m3", SPEC(kv_scale, FI_SCALE_HEAD), FI_ERROR_UNSUPPORTED, "kv_scale is head with op indexer"},
      {"indexer", SPEC(scores, 2), FI_ERROR_SPEC, "scores is 2; allowed: sum, heads"},
      {"attention kv=e4m3", SPEC(kv_scale, FI_SCALE_TOKEN), FI_ERROR_UNSUPPORTED, "only kv_dtype int8 has scales"},
      {"append kv=e4m3", SPEC(kv_scale, FI_SCALE_TOKEN), FI_ERROR_UNSUPPORTED, "only kv_dtype int8 has scales"},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    fi_spec spec = spec_of(changes[i].spec);
    cr_assert_eq(fi_spec_supported(&spec, NULL), FI_OK, "%s: %s", changes[i].spec, fi_last_error());
    change_apply(&changes[i], &spec);
    change_expect(&changes[i], fi_spec_supported(&spec, NULL));
  }
}

static fi_tensors good_tensors(void) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = address(0x10000),
                      .k.data = address(0x50000),
                      .k.page_stride = 1 << 20,
                      .k.scales = address(0x70000),
                      .k.scale_page_stride = 1 << 16,
                      .lists = address(0x120000),
                      .weights = address(0x130000)};
}

Test(indexer, tensors) {
  static const struct change changes[] = {
      {"indexer group=4", TENSORS(q, 0), FI_ERROR_ARGUMENT, "tensors.q is NULL; an indexer needs it"},
      {"indexer group=4", TENSORS(lists, 0), FI_ERROR_ARGUMENT, "tensors.lists is NULL; an indexer needs it"},
      {"indexer group=4", TENSORS(lists, 0x120002), FI_ERROR_ARGUMENT,
       "tensors.lists is 0x120002; it must be aligned to 4"},
      {"indexer group=4", TENSORS(weights, 0), FI_ERROR_ARGUMENT, "tensors.weights is NULL; scores=sum needs it"},
      {"indexer group=4", TENSORS(weight_stride, 7), FI_ERROR_ARGUMENT,
       "tensors.weight_stride is 7; it must be 0 (packed) or at least the query heads, 8"},
      {"indexer kv=e4m3 scale=token", TENSORS(k.scales, 0), FI_ERROR_ARGUMENT, "tensors.k.scales is NULL"},
      {"indexer", TENSORS(k.data, 0x50008), FI_ERROR_ARGUMENT, "tensors.k.data is 0x50008; it must be aligned to 16"},
      {"indexer", TENSORS(selected_token_stride, 33), FI_ERROR_ARGUMENT,
       "tensors.selected_token_stride is 33 and tensors.selected_head_stride is 32; lists would overlap"},
      {"indexer", TENSORS(selected_head_stride, 31), FI_ERROR_ARGUMENT,
       "tensors.selected_head_stride is 31; it must be 0 (packed) or at least workspace.max_selected, 32"},
      {"indexer", TENSORS(first_blocks, 33), FI_ERROR_ARGUMENT,
       "tensors.first_blocks is 33 and tensors.last_blocks is 0; together they must be at most workspace.max_selected, "
       "32"},
      {"indexer", TENSORS(last_blocks, 0xffffffff), FI_ERROR_ARGUMENT, "tensors.last_blocks is 4294967295; together"},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    fi_kernel *kernel = kernel_of(ctx, changes[i].spec);
    const fi_workspace workspace = good_workspace(kernel, 8);
    fi_tensors tensors = good_tensors();
    cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s: %s", changes[i].spec, fi_last_error());
    change_apply(&changes[i], &tensors);
    change_expect(&changes[i], fi_run(kernel, &tensors, &workspace, NULL));
  }
  fi_ctx_destroy(ctx);
}

/* Lists lie token after token, or head after head; no stride makes a place that 64 bits do not count. */
Test(indexer, strides_of_lists) {
  static const struct {
    const char *spec;
    int64_t token, head;
    const char *message; /* NULL: it is right */
  } rows[] = {
      {"indexer", 64, 32, NULL},
      {"indexer", 32, 7 * 32 + 32, NULL},
      {"indexer", 33, 7 * 33 + 32, NULL},
      {"indexer", 33, 7 * 33 + 31,
       "tensors.selected_token_stride is 33 and tensors.selected_head_stride is 262; lists"},
      {"indexer", 32, 33, "tensors.selected_token_stride is 32 and tensors.selected_head_stride is 33; lists would"},
      {"indexer group=4 scores=heads", 8 * 32, 32, NULL},
      {"indexer group=4 scores=heads", 8 * 32 - 1, 32, "lists would overlap"},
      {"indexer", INT64_MAX, 32, "tensors.selected_token_stride is 9223372036854775807; it must be 0 (packed) or at "},
      {"indexer", 0, INT64_MAX / 2, "tensors.selected_head_stride is 4611686018427387903; it must be 0 (packed) or at"},
      {"indexer", INT64_MAX / 16 / 8, 32, NULL},
      {"indexer", INT64_MAX / 16 / 8 + 1, 32, "workspace.max_selected, 32, and at most 72057594037927935"},
      {"attention select=1", 32, INT64_MAX, "tensors.selected_head_stride is 9223372036854775807; it must be 0 (all"},
      {"attention select=1", INT64_MAX, 32,
       "tensors.selected_token_stride is 9223372036854775807; it must be 0 (packe"},
      {"attention select=1", 32, 33, NULL}, /* it reads only */
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_kernel *kernel = kernel_of(ctx, rows[i].spec);
    const fi_workspace workspace = good_workspace(kernel, 8);
    fi_tensors tensors = good_tensors();
    tensors.o = address(0x20000);
    tensors.v = tensors.k;
    tensors.selected = address(0x140000);
    tensors.selected_token_stride = rows[i].token;
    tensors.selected_head_stride = rows[i].head;
    const fi_status status = fi_run(kernel, &tensors, &workspace, NULL);
    cr_expect_eq(status, rows[i].message ? FI_ERROR_ARGUMENT : FI_OK, "row %zu: %s", i, fi_last_error());
    cr_expect(!rows[i].message || strstr(fi_last_error(), rows[i].message), "row %zu: %s", i, fi_last_error());
  }
  fi_ctx_destroy(ctx);
}

/* A single list of a token has no head after it. */
Test(indexer, one_list_of_a_token_lies_anywhere) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "indexer group=4");
  fi_workspace workspace = good_workspace(kernel, 8);
  fi_tensors tensors = good_tensors();
  workspace.kv_heads = 1;
  tensors.selected_token_stride = 32;
  tensors.selected_head_stride = 1000;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  tensors.selected_head_stride = 40;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

/* Entries of the lists of a query token and KV head are counted in 31 bits, and by all threads of a CTA. */
Test(indexer, longest_lists) {
  static const struct {
    const char *spec;
    uint32_t most;
  } rows[] = {
      {"indexer group=4", INT32_MAX - 1024},
      {"indexer group=4 scores=heads", (INT32_MAX - 1024) / 4},
      {"indexer group=4 select=128 scores=heads", INT32_MAX / 128},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const fi_kernel *kernel = kernel_of(ctx, rows[i].spec);
    fi_workspace workspace = good_workspace(kernel, 8);
    workspace.max_selected = rows[i].most;
    cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s: %s", rows[i].spec, fi_last_error());
    workspace.max_selected++;
    cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_ERROR_ARGUMENT, "%s", rows[i].spec);
    cr_expect(strstr(fi_last_error(), "workspace.max_selected is "), "%s: %s", rows[i].spec, fi_last_error());
  }
  fi_ctx_destroy(ctx);
}

/* Scratch is of CTAs, lists and blocks alone; memory is what append needs. */
/* Whose product has no room in 64 bits. */
Test(indexer, ranks_of_many_ctas) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "indexer group=128 scores=heads");
  fi_workspace workspace = good_workspace(kernel, 8);
  workspace.ctas = 1u << 31;
  workspace.max_kv_len = 1 << 26;
  cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_ERROR_ARGUMENT);
  cr_expect(strstr(fi_last_error(), "ctas=2147483648 split_tokens=0 make more than 2147483647 lists (CTAs x lists)"),
            "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

Test(indexer, workspaces) {
  static const struct {
    const char *spec;
    uint32_t ctas, max_kv_len;
    uint64_t scratch;
  } rows[] = {
      {"indexer group=64", 10, 1024, 10 * 1024 * 4},
      {"indexer group=64 select=128", 10, 1025, 9 * 10 * 4 + 152},
      {"indexer group=4 scores=heads", 10, 1024, 4 * 10 * 1024 * 4},
  };
  fi_ctx *ctx = make_context(NULL);
  const fi_kernel *append = kernel_of(ctx, "append");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const fi_kernel *kernel = kernel_of(ctx, rows[i].spec);
    fi_workspace workspace = good_workspace(kernel, 8);
    fi_workspace of_append = workspace;
    workspace.ctas = rows[i].ctas;
    workspace.max_kv_len = rows[i].max_kv_len;
    cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_workspace_size(append, &of_append), FI_OK, "%s", fi_last_error());
    cr_expect_eq(workspace.scratch_bytes, rows[i].scratch, "%s: %llu", rows[i].spec,
                 (unsigned long long)workspace.scratch_bytes);
    cr_expect_eq(workspace.bytes, of_append.bytes);
    workspace.max_selected = 0;
    cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_ERROR_ARGUMENT);
    cr_expect(strstr(fi_last_error(), "workspace.max_selected is 0; with select="), "%s", fi_last_error());
  }
  fi_ctx_destroy(ctx);
}
