/* Kernels of open rows whose requests share prefixes: two share a batch, and have units and partials in one place. */
#include "fakes.h"

#include "runtime/kernel.h"
#include "runtime/workspace.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(prefixes, .init = fakes_reset);

/* Tiles of 4, 8 and 32 query tokens. */
static const char open_rows[] = "attention group=4 page=16 prefixes=1";

static fi_workspace workspace_of(const fi_kernel *kernel, fi_workspace bounds) {
  bounds.struct_size = sizeof bounds;
  bounds.max_kv_len = 1000;
  bounds.kv_heads = 2;
  cr_assert_eq(fi_workspace_size(kernel, &bounds), FI_OK, "%s", fi_last_error());
  bounds.memory = address(0x100000);
  bounds.scratch = address(0x9000000);
  return bounds;
}

static struct workspace_parts parts_of(fi_kernel *kernel, const fi_workspace *workspace) {
  struct workspace_parts parts;
  cr_assert_eq(workspace_for_launch(kernel, workspace, NULL, &parts), FI_OK, "%s", fi_last_error());
  return parts;
}

/* The longest query says which kernel is beside that of most rows, which has what many requests share. */
Test(prefixes, bounds_say_which_two_kernels_share_a_batch) {
  static const struct {
    fi_workspace bounds;
    uint32_t rows[2];
  } cases[] = {
      {{.max_requests = 8, .max_tokens = 8}, {16, 128}},
      {{.max_requests = 8, .max_tokens = 32, .max_q_len = 4}, {16, 128}},
      {{.max_requests = 8, .max_tokens = 40, .max_q_len = 5}, {32, 128}},
      {{.max_requests = 8, .max_tokens = 64, .max_q_len = 8}, {32, 128}},
      {{.max_requests = 8, .max_tokens = 72, .max_q_len = 9}, {128, 0}},
      {{.max_requests = 8, .max_tokens = 256, .max_q_len = 32}, {128, 0}},
      {{.max_requests = 8, .max_tokens = 400, .max_q_len = 33}, {16, 128}},
      {{.max_requests = 8, .max_tokens = 400}, {16, 128}},
      {{.max_requests = 1, .max_tokens = 1}, {16, 0}},
      {{.max_requests = 1, .max_tokens = 40}, {16, 128}},
      {{.max_requests = 8, .max_tokens = 8, .split_tokens = 512}, {16, 0}},
      {{.max_requests = 8, .max_tokens = 400, .split_tokens = 512}, {16, 0}},
  };
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const fi_workspace workspace = workspace_of(kernel, cases[i].bounds);
    const struct workspace_parts parts = parts_of(kernel, &workspace);
    cr_expect_eq(parts.count, cases[i].rows[1] ? 2 : 1, "case %zu", i);
    for (uint32_t p = 0; p < parts.count; p++)
      cr_expect_eq(parts.of[p].kernel->tile.rows, cases[i].rows[p], "case %zu: %u", i, parts.of[p].kernel->tile.rows);
  }
  fi_ctx_destroy(ctx);
}

/* Units and partials of one begin where those of both end. */
Test(prefixes, units_and_scratch_are_in_one_place) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_workspace workspace = workspace_of(kernel, (fi_workspace){.max_requests = 8, .max_tokens = 400});
  const struct workspace_parts parts = parts_of(kernel, &workspace);
  const struct workspace_layout *first = &parts.of[0].layout;
  const struct workspace_layout *last = &parts.of[1].layout;
  cr_expect_eq(first->arrays.plan.units, last->arrays.plan.units);
  cr_expect_eq(first->arrays.plan.arrivals, last->arrays.plan.arrivals);
  cr_expect_eq(first->arrays.plan.part_o, last->arrays.plan.part_o);
  cr_expect_eq(first->arrays.plan.part_ml, last->arrays.plan.part_ml);
  cr_expect_eq(first->arrays.plan.group_ml, last->arrays.plan.group_ml);
  cr_expect_neq(first->arrays.plan.items, last->arrays.plan.items);
  cr_expect_eq(first->scratch_bytes, 0);
  cr_expect_eq(first->id, last->id);
  cr_expect_eq(first->share_tokens, 128);
  cr_expect_eq(last->share_tokens, 128);
  cr_expect_eq(last->first_unit, 0);
  cr_expect_eq(last->first_part, 0);
  cr_expect_geq(first->first_unit, last->counts.units + 2 * last->ctas);
  cr_expect_eq(last->counts.merges, first->first_unit + first->counts.units + 2 * first->ctas);
  cr_expect_eq(last->counts.partial_rows, first->first_part + 2 * first->ctas * 16);
  cr_expect_eq(first->first_part, (2 * 4 * last->ctas + 8 * 2 + last->ctas + first->ctas) * 128, "four sections");
  cr_expect_geq(first->counts.items, 2 * first->counts.units + first->ctas);
  fi_ctx_destroy(ctx);
}

/* Both plans know both kernels, and are made at once; the kernels are on the machine together. */
Test(prefixes, plans_and_launches_are_of_both) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_workspace workspace = workspace_of(kernel, (fi_workspace){.max_requests = 8, .max_tokens = 8});
  const struct workspace_parts parts = parts_of(kernel, &workspace);
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = 5,
                          .kv_len = address(0x2000),
                          .page_table = address(0x3000),
                          .page_table_stride = 63};
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .q = address(0x10000),
                              .o = address(0x20000),
                              .k.data = address(0x30000),
                              .v.data = address(0x40000)};
  struct fi_plans_args plans;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 1);
  memcpy(&plans, fakes.args, sizeof plans);
  cr_assert_eq(plans.count, 2);
  for (int i = 0; i < 2; i++) {
    const struct workspace_layout *layout = &parts.of[i].layout;
    const struct fi_member *member = &plans.plans[0].members[i];
    cr_expect_eq(plans.plans[i].member, i);
    cr_expect_eq(plans.plans[i].member_count, 2);
    cr_expect_eq(plans.plans[i].first_unit, (int)layout->first_unit);
    cr_expect_eq(plans.plans[i].first_part, (int)layout->first_part);
    cr_expect_eq(member->tile_tokens, plans.plans[i].tile_tokens);
    cr_expect_eq(member->tile_rows, plans.plans[i].tile_rows);
    cr_expect_eq(member->step_tokens, plans.plans[i].step_tokens);
    cr_expect_eq(member->start_tokens, plans.plans[i].start_tokens);
    cr_expect_eq(member->unit_steps, plans.plans[i].unit_steps);
    cr_expect_eq(member->ctas, plans.plans[i].ctas);
  }
  fakes.launches = 0;
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 2);
  cr_expect_eq(fakes.attention[0].plan.items, parts.of[1].layout.arrays.plan.items, "most rows come first");
  cr_expect_eq(fakes.attention[0].order, FI_ORDER_LEADS);
  cr_expect_eq(fakes.attention[1].plan.items, parts.of[0].layout.arrays.plan.items);
  cr_expect_eq(fakes.attention[1].order, FI_ORDER_FOLLOWS);
  cr_expect_eq(fakes.attention[0].plan.units, fakes.attention[1].plan.units);
  fi_ctx_destroy(ctx);
}
