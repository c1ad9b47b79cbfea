/* Workspace sizes against sums written out from the documented layout, and their limits. */
#include "fakes.h"

#include "flashjit_args.h"
#include "generator/family.h"
#include "generator/tile.h"
#include "runtime/workspace.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(workspace, .init = fakes_reset);

/* Bytes of an element of each part, written out: these are an ABI between host and device. */
enum { HEADER = 64, ROW = 16, ITEM = 48, UNIT = 32 };

static uint64_t round_256(uint64_t bytes) {
  return bytes % 256 ? bytes - bytes % 256 + 256 : bytes;
}

struct sizes {
  uint64_t memory;
  uint64_t scratch;
};

static uint64_t rows_of_partials(const fi_kernel *kernel, uint64_t rows) {
  return round_256(4 * rows * kernel->spec.v_dim) + 2 * round_256(8 * rows);
}

/* Kernels by wgmma claim items from a queue. */
static uint64_t queue_bytes(const fi_kernel *kernel) {
  return kernel->tile.family->claims ? 256 : 0;
}

static struct sizes even_shares(const fi_kernel *kernel, const fi_workspace *bounds, uint64_t ctas) {
  const uint64_t tile_tokens = kernel->tile.rows / kernel->spec.group;
  uint64_t tiles = bounds->max_requests + bounds->max_tokens / tile_tokens;
  tiles = tiles > bounds->max_tokens ? bounds->max_tokens : tiles;
  const uint64_t units = tiles * bounds->kv_heads;
  const uint64_t shares = ctas * (kernel->tile.rows >= 64 ? 4 : 1);
  const uint64_t merges = units + 2 * shares;
  const uint64_t rows = 2 * shares * kernel->tile.rows;
  const uint64_t checked = kernel->spec.page_size ? 4ull * bounds->max_requests : 0;
  const uint64_t seen = kernel->spec.window_left ? 8ull * bounds->max_tokens : 0;
  const uint64_t memory = round_256(HEADER) + round_256(checked) + round_256(seen) +
                          round_256((uint64_t)ROW * bounds->max_tokens) + round_256(ITEM * ctas) +
                          round_256(ITEM * (units + shares)) + queue_bytes(kernel) + round_256(UNIT * merges) +
                          round_256(4 * merges);
  return (struct sizes){memory, rows_of_partials(kernel, rows)};
}

static struct sizes fixed_pieces(const fi_kernel *kernel, const fi_workspace *bounds, uint64_t ctas) {
  const uint64_t tile_tokens = kernel->tile.rows / kernel->spec.group;
  uint64_t tiles = bounds->max_requests + bounds->max_tokens / tile_tokens;
  tiles = tiles > bounds->max_tokens ? bounds->max_tokens : tiles;
  const uint64_t units = tiles * bounds->kv_heads;
  const uint64_t cuts = (bounds->max_kv_len + bounds->split_tokens - 1) / bounds->split_tokens;
  const uint64_t rows = units * cuts * kernel->tile.rows;
  const uint64_t checked = kernel->spec.page_size ? 4ull * bounds->max_requests : 0;
  const uint64_t seen = kernel->spec.window_left ? 8ull * bounds->max_tokens : 0;
  const uint64_t memory = round_256(HEADER) + round_256(checked) + round_256(seen) +
                          round_256((uint64_t)ROW * bounds->max_tokens) + round_256(ITEM * ctas) +
                          round_256(ITEM * (units * cuts + ctas)) + queue_bytes(kernel) + round_256(UNIT * units) +
                          round_256(4 * units);
  return (struct sizes){memory, rows_of_partials(kernel, rows)};
}

static struct sizes size_of(const fi_kernel *kernel, const fi_workspace *bounds) {
  fi_workspace workspace = *bounds;
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  return (struct sizes){workspace.bytes, workspace.scratch_bytes};
}

Test(workspace, sizes) {
  static const char *const specs[] = {"attention rows=16",
                                      "attention group=4 rows=16 page=16",
                                      "attention group=7 rows=32",
                                      "attention hd=64 rows=128 group=8",
                                      "attention hd=256 group=64 rows=64",
                                      "attention rows=16 left=128"};
  static const fi_workspace cases[] = {
      {.max_requests = 1, .max_tokens = 1, .max_kv_len = 1, .kv_heads = 1},
      {.max_requests = 64, .max_tokens = 64, .max_kv_len = 8192, .kv_heads = 8},
      {.max_requests = 3, .max_tokens = 4099, .max_kv_len = 131072, .kv_heads = 5},
      {.max_requests = 500, .max_tokens = 100, .max_kv_len = 77, .kv_heads = 1, .ctas = 33},
      {.max_requests = 16, .max_tokens = 64, .max_kv_len = 10000, .kv_heads = 8, .split_tokens = 512},
      {.max_requests = 16, .max_tokens = 64, .max_kv_len = 10000, .kv_heads = 8, .split_tokens = 256, .ctas = 7},
  };
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    const fi_kernel *kernel = kernel_of(ctx, specs[i]);
    for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
      fi_workspace bounds = cases[j];
      bounds.struct_size = sizeof bounds;
      const uint64_t ctas = bounds.ctas ? bounds.ctas : FAKE_SMS * kernel->tile.ctas_per_sm;
      const struct sizes expected =
          bounds.split_tokens ? fixed_pieces(kernel, &bounds, ctas) : even_shares(kernel, &bounds, ctas);
      const struct sizes sizes = size_of(kernel, &bounds);
      cr_expect_eq(sizes.memory, expected.memory, "%s, case %zu", specs[i], j);
      cr_expect_eq(sizes.scratch, expected.scratch, "%s, case %zu", specs[i], j);
    }
  }
  fi_ctx_destroy(ctx);
}

static struct workspace_layout layout_of(const fi_kernel *kernel, const fi_workspace *bounds) {
  struct workspace_layout layout;
  cr_assert_eq(workspace_count(kernel, bounds, 132, &layout), FI_OK, "%s", fi_last_error());
  workspace_lay_out(kernel, bounds, 1, &layout);
  return layout;
}

static uint32_t id_of_plan(const fi_kernel *kernel, const fi_workspace *bounds) {
  return layout_of(kernel, bounds).id;
}

/* Kernels of two families never take each other's plans, whatever else they have in common: one claims items. */
Test(workspace, plans_are_of_a_family) {
  fi_ctx *ctx = make_context(NULL);
  const fi_workspace bounds = {.struct_size = sizeof bounds,
                               .max_requests = 4,
                               .max_tokens = 64,
                               .max_kv_len = 1000,
                               .kv_heads = 2,
                               .split_tokens = 256};
  const fi_kernel *wgmma = kernel_of(ctx, "attention rows=128 hd=256 group=2");
  const fi_kernel *mma = kernel_of(ctx, "attention rows=128 hd=256 group=2 family=mma");
  cr_assert(wgmma->tile.family->claims && !mma->tile.family->claims);
  cr_assert_eq(wgmma->tile.rows, mma->tile.rows);
  cr_expect_neq(id_of_plan(wgmma, &bounds), id_of_plan(mma, &bounds));
  fi_ctx_destroy(ctx);
}

/* What shared memory does not hold is in the workspace, and what 31 bits do not count is counted in larger steps. */
Test(workspace, batches_have_no_bound_but_memory) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16");
  const fi_workspace bounds = {.struct_size = sizeof bounds,
                               .max_requests = 24,
                               .max_tokens = 339549,
                               .max_kv_len = 1 << 30,
                               .kv_heads = 8,
                               .ctas = 264};
  struct workspace_layout layout;
  cr_assert_eq(workspace_count(kernel, &bounds, 264, &layout), FI_OK, "%s", fi_last_error());
  cr_expect_eq(layout.counts.tile_begins, 25);
  cr_expect_eq(layout.counts.step_begins, layout.max_tiles + 1);
  cr_expect_eq(layout.plan_shared, 265 * sizeof(int), "the cuts alone");
  cr_expect_gt(layout.step_tokens, layout.start_tokens);
  cr_expect_eq(layout.step_tokens % layout.start_tokens, 0);
  cr_expect_leq(layout.counts.units * ((1ull << 30) / layout.step_tokens + 2), INT32_MAX);
  fi_ctx_destroy(ctx);
}

Test(workspace, append_needs_header_and_rows_and_merge_nothing) {
  fi_ctx *ctx = make_context(NULL);
  const fi_workspace bounds = {
      .struct_size = sizeof bounds, .max_requests = 9, .max_tokens = 1000, .max_kv_len = 5000, .kv_heads = 8};
  const struct sizes append = size_of(kernel_of(ctx, "append page=16"), &bounds);
  cr_expect_eq(append.memory, round_256(HEADER) + round_256(1000 * ROW) + round_256(9 * 4));
  cr_expect_eq(append.scratch, 0);
  const struct sizes merge = size_of(kernel_of(ctx, "merge"), &bounds);
  cr_expect_eq(merge.memory, 0);
  cr_expect_eq(merge.scratch, 0);
  fi_ctx_destroy(ctx);
}

/* What reads the rows of a plan alone has bounds of its own, which positions must fit. */
Test(workspace, rows_are_those_of_equal_bounds) {
  static const char *const readers[] = {"append page=16", "indexer page=16"};
  fi_ctx *ctx = make_context(NULL);
  const fi_workspace bounds = {.struct_size = sizeof bounds,
                               .max_requests = 9,
                               .max_tokens = 1000,
                               .max_kv_len = 5000,
                               .kv_heads = 8,
                               .max_selected = 4};
  const uint32_t planned = layout_of(kernel_of(ctx, "attention page=16"), &bounds).rows_id;
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    const fi_kernel *kernel = kernel_of(ctx, readers[i]);
    fi_workspace other = bounds;
    cr_expect_eq(layout_of(kernel, &bounds).rows_id, planned, "%s", readers[i]);
    other.max_kv_len--;
    cr_expect_neq(layout_of(kernel, &other).rows_id, planned, "%s: max_kv_len", readers[i]);
    other = bounds;
    other.max_tokens--;
    cr_expect_neq(layout_of(kernel, &other).rows_id, planned, "%s: max_tokens", readers[i]);
  }
  fi_ctx_destroy(ctx);
}

Test(workspace, fewer_ctas_when_fewer_fit) {
  fi_ctx *ctx = make_context(NULL);
  fakes.occupancy = 1;
  const fi_kernel *kernel = kernel_of(ctx, "attention rows=16");
  fi_workspace bounds = {
      .struct_size = sizeof bounds, .max_requests = 1, .max_tokens = 1, .max_kv_len = 99, .kv_heads = 1};
  const struct sizes whole_device = size_of(kernel, &bounds);
  bounds.ctas = FAKE_SMS;
  const struct sizes as_many = size_of(kernel, &bounds);
  cr_expect_eq(as_many.memory, whole_device.memory);
  cr_expect_eq(as_many.scratch, whole_device.scratch);
  fi_ctx_destroy(ctx);
}

Test(workspace, bounds_that_overflow_are_refused) {
  static const struct {
    fi_workspace bounds;
    const char *message;
  } cases[] = {
      {{.max_requests = 1 << 20, .max_tokens = 1 << 20, .max_kv_len = 1, .kv_heads = 4096}, "work units"},
      {{.max_requests = 1, .max_tokens = 1, .max_kv_len = 1, .kv_heads = 1, .ctas = 2147483647},
       "workspace.ctas is 2147483647; it must be 0 to "},
      {{.max_requests = 1 << 14, .max_tokens = 1 << 14, .max_kv_len = 1 << 30, .kv_heads = 8, .split_tokens = 256},
       "pieces"},
      {{.max_requests = 64, .max_tokens = 64, .max_kv_len = 1 << 20, .kv_heads = 512, .split_tokens = 256},
       "partial results"},
      {{.max_requests = 1, .max_tokens = 1, .max_kv_len = 1, .kv_heads = 2147483647}, "query heads"},
  };
  fi_ctx *ctx = make_context(NULL);
  const fi_kernel *kernel = kernel_of(ctx, "attention group=4 rows=16");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fi_workspace bounds = cases[i].bounds;
    bounds.struct_size = sizeof bounds;
    bounds.bytes = 1;
    bounds.scratch_bytes = 1;
    cr_expect_eq(fi_workspace_size(kernel, &bounds), FI_ERROR_ARGUMENT, "case %zu", i);
    cr_expect_eq(bounds.bytes, 0);
    cr_expect_eq(bounds.scratch_bytes, 0);
    cr_expect(strstr(fi_last_error(), cases[i].message), "case %zu: %s", i, fi_last_error());
  }
  fi_ctx_destroy(ctx);
}

Test(workspace, records_have_their_sizes) {
  cr_expect_eq(sizeof(struct fi_plan_header), HEADER);
  cr_expect_eq(sizeof(struct fi_row), ROW);
  cr_expect_eq(sizeof(struct fi_item), ITEM);
  cr_expect_eq(sizeof(struct fi_unit), UNIT);
}
