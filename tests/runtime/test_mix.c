/* Kernels whose rows are open: what they are made of, and what fi_plan and fi_run launch for them. */
#include "fakes.h"

#include "runtime/kernel.h"
#include "runtime/workspace.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(mix, .init = fakes_reset);

enum { MEMBERS = 4 };

/* All members are of one family, and none outdoes another. */
static const char open_rows[] = "attention family=mma group=4 page=16";

/* By wgmma 128 rows take no more time than 64. */
static const char with_wgmma[] = "attention group=4 page=16";

/* What a batch of requests of one length took with the fastest of the members. */
struct timed {
  int requests;
  int q_len;
  int kv_len;
  int fastest;
  double us;
};

static fi_workspace workspace_of(const fi_kernel *kernel, uint32_t max_q_len) {
  fi_workspace workspace = {.struct_size = sizeof workspace,
                            .max_requests = 8,
                            .max_tokens = 400,
                            .max_kv_len = 1000,
                            .kv_heads = 2,
                            .max_q_len = max_q_len};
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  workspace.memory = address(0x100000);
  workspace.scratch = address(0x9000000);
  return workspace;
}

static fi_batch batch_of(void) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = 5,
                    .q_indptr = address(0x1000),
                    .kv_len = address(0x2000),
                    .page_table = address(0x3000),
                    .page_table_stride = 63,
                    .page_count = 100};
}

static fi_tensors tensors_of(void) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = address(0x10000),
                      .o = address(0x20000),
                      .k.data = address(0x30000),
                      .v.data = address(0x40000)};
}

Test(mix, is_made_of_all_its_kernels) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  fi_facts facts = {.struct_size = sizeof facts};
  fi_spec spec;
  cr_expect_eq(fakes.compiles, 1 + MEMBERS, "and the plan kernel");
  cr_expect_eq(fakes.prepares, 1 + MEMBERS);
  cr_expect_eq(kernel->tile.rows, 16);
  cr_expect_eq(kernel->wider_count, MEMBERS - 1);
  cr_expect_eq(kernel->wider[0], kernel_of(ctx, "attention family=mma group=4 rows=32 page=16"));
  cr_expect_eq(kernel->wider[1], kernel_of(ctx, "attention family=mma group=4 rows=64 page=16"));
  cr_expect_eq(kernel->wider[2], kernel_of(ctx, "attention family=mma group=4 rows=128 page=16"));
  cr_expect_eq(fi_kernel_spec(kernel, &spec), FI_OK);
  cr_expect_eq(spec.rows, 0);
  cr_expect_eq(fi_kernel_facts(kernel, &facts), FI_OK);
  cr_expect_eq(facts.kernels, MEMBERS);
  cr_expect_eq(fi_kernel_facts(kernel->wider[0], &facts), FI_OK);
  cr_expect_eq(facts.kernels, 1);
  cr_expect_eq(kernel_of(ctx, open_rows), kernel);
  cr_expect_eq(fakes.compiles, 1 + MEMBERS, "a look-up");
  fi_ctx_destroy(ctx);
}

/* The larger ones at once; of kernels that are obtained on threads already one after the other. */
Test(mix, members_are_compiled_side_by_side) {
  fakes.compile_ms = 30;
  fi_ctx *ctx = make_context(NULL);
  kernel_of(ctx, open_rows);
  cr_expect_eq(fakes.compiles, 1 + MEMBERS);
  cr_expect_geq(fakes.most_compiling, 2);
  cr_expect_leq(fakes.most_compiling, MEMBERS - 1);
  fi_ctx_destroy(ctx);
  fakes_reset();
  fakes.compile_ms = 5;
  ctx = make_context(NULL);
  const fi_spec specs[] = {spec_of(open_rows), spec_of("attention family=mma group=2 page=16")};
  fi_kernel *kernels[2];
  cr_expect_eq(fi_get_kernels(ctx, specs, 2, 2, kernels, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.compiles, 1 + 2 * MEMBERS);
  cr_expect_leq(fakes.most_compiling, 2);
  fi_ctx_destroy(ctx);
}

/* A warm-up on another machine compiles what fi_get_kernel will ask for. */
Test(mix, is_precompiled_as_a_whole) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  fi_facts facts = {.struct_size = sizeof facts};
  fi_spec spec;
  cr_assert_eq(fi_spec_parse(open_rows, &spec), FI_OK);
  cr_expect_eq(fi_precompile(ctx, &spec, &facts), FI_OK, "%s", fi_last_error());
  cr_expect_eq(facts.kernels, MEMBERS);
  cr_expect_eq(fakes.compiles, 1 + MEMBERS);
  kernel_of(ctx, open_rows);
  cr_expect_eq(fakes.compiles, 1 + MEMBERS);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

/* In a mode that forbids compiling, the sentence names the member that no cache has. */
Test(mix, lack_of_a_member_is_that_of_the_kernel) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, "attention family=mma group=4 rows=16 page=16");
  kernel_of(ctx, "attention family=mma group=4 rows=32 page=16");
  kernel_of(ctx, "attention family=mma group=4 rows=64 page=16");
  kernel_of(ctx, "plan members=2");
  fi_ctx_destroy(ctx);
  ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
  cr_expect_eq(get(ctx, open_rows), FI_ERROR_NOT_CACHED);
  cr_expect(strstr(fi_last_error(), "attention family=mma group=4 rows=128 page=16"), "%s", fi_last_error());
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

/* A cache that a mix has filled serves each of its kernels alone, though those have a plan kernel of their own where it
 * can be compiled. */
Test(mix, plan_kernel_stands_in_where_nothing_compiles) {
  static const char *const texts[] = {"attention family=mma group=4 rows=16 page=16",
                                      "attention family=mma group=4 rows=128 page=16",
                                      "attention family=mma group=4 rows=32 page=16"};
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, open_rows);
  fi_ctx_destroy(ctx);
  fakes.no_compiler = true;
  for (uint32_t mode = FI_MODE_ON; mode <= FI_MODE_LOAD_ONLY; mode++) {
    ctx = make_context_with((fi_options){.mode = mode, .cache_dir = directory});
    cr_expect_eq(kernel_of(ctx, texts[0])->plan->spec.members, 2);
    cr_expect_eq(get(ctx, texts[1]), FI_OK, "%s", fi_last_error());
    cr_expect_eq(counters_of(ctx).failures, 0, "nothing that was asked for has failed");
    const fi_spec spec = spec_of(texts[2]);
    cr_expect_eq(fi_precompile(ctx, &spec, NULL), FI_OK, "%s", fi_last_error());
    fi_ctx_destroy(ctx);
  }
  fakes.no_compiler = false;
  ctx = make_context(directory);
  cr_expect_eq(kernel_of(ctx, texts[0])->plan->spec.members, 0);
  cr_expect_eq(fakes.compiles, 2 + MEMBERS);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

/* So does that of large tiles for small ones, with shared prefixes, too: what no cache has is the kernel itself. */
Test(mix, plan_kernel_of_large_tiles_stands_in) {
  static const char *const filled[] = {"attention family=mma group=4 rows=128 page=16",
                                       "attention family=mma group=4 rows=128 page=16 prefixes=1"};
  static const char *const asked[] = {"attention family=mma group=4 rows=16 page=16",
                                      "attention family=mma group=4 rows=16 page=16 prefixes=1"};
  for (int i = 0; i < 2; i++) {
    char *directory = make_directory();
    fi_ctx *ctx = make_context(directory);
    kernel_of(ctx, filled[i]);
    fi_ctx_destroy(ctx);
    ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
    cr_expect_eq(get(ctx, asked[i]), FI_ERROR_NOT_CACHED);
    cr_expect_null(strstr(fi_last_error(), "plan"), "%s", fi_last_error());
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}

/* One that makes plans of one kernel alone does not. The sentence is about the plan kernel that was wanted. */
Test(mix, no_other_plan_kernel_stands_in) {
  char *directory = make_directory();
  const fi_spec open = spec_of(open_rows);
  const fi_spec windowed = spec_of("attention family=mma group=4 rows=16 page=16 left=9");
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, "attention family=mma group=4 rows=16 page=16");
  kernel_of(ctx, "plan members=2");
  fi_ctx_destroy(ctx);
  ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
  cr_expect_eq(get(ctx, "attention family=mma group=4 rows=16 page=16 left=9"), FI_ERROR_NOT_CACHED);
  cr_expect(strstr(fi_last_error(), "rows=16 page=16 left=9\": ") && strstr(fi_last_error(), "plan intervals=1"), "%s",
            fi_last_error());
  cr_expect_null(strstr(fi_last_error(), "members"), "%s", fi_last_error());
  cr_expect_eq(counters_of(ctx).failures, 1);
  cr_expect_eq(fi_precompile(ctx, &windowed, NULL), FI_ERROR_NOT_CACHED);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
  directory = make_directory();
  ctx = make_context(directory);
  kernel_of(ctx, "plan");
  fi_ctx_destroy(ctx);
  ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
  cr_expect_eq(get(ctx, open_rows), FI_ERROR_NOT_CACHED);
  cr_expect(strstr(fi_last_error(), "plan members=2"), "%s", fi_last_error());
  cr_expect_eq(fi_precompile(ctx, &open, NULL), FI_ERROR_NOT_CACHED);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

static void expect_known_facts(const fi_facts *facts, const fi_facts *whole, const char *text) {
  cr_expect_str_eq(facts->key, whole->key, "%s", text);
  cr_expect_str_eq(facts->target, whole->target, "%s", text);
  cr_expect_eq(facts->source_lines, whole->source_lines, "%s", text);
  cr_expect_eq(facts->kernels, whole->kernels, "%s", text);
  cr_expect_str_empty(facts->toolchain, "%s", text);
  cr_expect_eq(facts->image_bytes, 0, "%s", text);
}

/* Whichever of its kernels fails, and how: the sentence is about that one, and the facts are those of the spec's. */
Test(mix, facts_when_a_kernel_that_belongs_to_it_fails) {
  static const struct {
    fi_status status;
    uint32_t spills;
    const char *message;
  } rows[] = {
      {FI_ERROR_COMPILE, 0, "the plan kernel of \"attention family=mma group=4 page=16\": "},
      {FI_ERROR_DEADLINE, 0, "the plan kernel of \"attention family=mma group=4 page=16\": "},
      {FI_OK, 1000, "rows=32"},
  };
  const fi_spec spec = spec_of(open_rows);
  char *directory = make_directory();
  fi_facts whole = {.struct_size = sizeof whole};
  fi_ctx *ctx = make_context(directory);
  cr_assert_eq(fi_precompile(ctx, &spec, &whole), FI_OK);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_facts facts = {.struct_size = sizeof facts, .registers = 77, .image_bytes = 77};
    directory = make_directory();
    ctx = make_context(directory);
    fakes.compile_status = rows[i].status;
    fakes.spills = rows[i].spills;
    fakes.spill_log = "ptxas info    : (C7510) Potential Performance Loss: wgmma is serialized\n";
    cr_expect_eq(fi_precompile(ctx, &spec, &facts), rows[i].status ? rows[i].status : FI_ERROR_COMPILE, "row %zu: %s",
                 i, fi_last_error());
    cr_expect(strstr(fi_last_error(), rows[i].message), "row %zu: %s", i, fi_last_error());
    expect_known_facts(&facts, &whole, rows[i].message);
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}

/* Query tokens of the longest request decide, in tiles of 4, 8, 16 and 32 tokens. */
Test(mix, bounds_say_which_kernels_are_launched) {
  static const struct {
    uint32_t max_q_len;
    uint32_t max_tokens;
    uint32_t launches;
  } cases[] = {{1, 400, 1},  {4, 400, 1},   {5, 400, 2},    {8, 400, 2}, {9, 400, 3}, {16, 400, 3},
               {17, 400, 4}, {400, 400, 4}, {5000, 400, 4}, {0, 400, 4}, {0, 24, 4},  {0, 23, 3},
               {0, 11, 1},   {0, 8, 1},     {0, 4, 1},      {17, 8, 2},  {5, 4, 1}};
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_tensors tensors = tensors_of();
  const fi_batch batch = batch_of();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fi_workspace workspace = workspace_of(kernel, cases[i].max_q_len);
    struct fi_plans_args plans;
    fakes.launches = 0;
    workspace.max_tokens = cases[i].max_tokens;
    cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fakes.launches, 2, "pages are checked, then all plans made at once");
    memcpy(&plans, fakes.args, sizeof plans);
    cr_expect_eq(plans.count, (int)cases[i].launches, "case %zu", i);
    fakes.launches = 0;
    cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fakes.launches, (uint32_t)cases[i].launches, "case %zu", i);
  }
  fi_ctx_destroy(ctx);
}

/* All are on the machine together: each but the last lets the next begin, and each but the first has a CTA more, which
 * waits for the one in front. */
Test(mix, launches_say_that_they_are_together) {
  static const unsigned orders[MEMBERS] = {FI_ORDER_LEADS, FI_ORDER_LEADS | FI_ORDER_FOLLOWS,
                                           FI_ORDER_LEADS | FI_ORDER_FOLLOWS, FI_ORDER_FOLLOWS};
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_tensors tensors = tensors_of();
  const fi_workspace workspace = workspace_of(kernel, 0);
  const fi_workspace bounded = workspace_of(kernel, 1);
  struct workspace_parts parts;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  for (uint32_t i = 0; i < MEMBERS; i++) {
    const struct workspace_layout *layout = &parts.of[i].layout;
    cr_expect_eq(fakes.attention[i].plan.header, parts.of[0].layout.arrays.plan.header);
    cr_expect_eq(fakes.attention[i].order, orders[i]);
    cr_expect_eq(fakes.ctas[i], layout->ctas + (i > 0));
  }
  fakes.launches = 0;
  cr_assert_eq(fi_run(kernel, &tensors, &bounded, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.attention[0].order, 0, "one alone");
  cr_expect_eq(fakes.ctas[0], parts.of[0].layout.ctas);
  fi_ctx_destroy(ctx);
}

/* Where launches follow each other, none has a CTA more. */
Test(mix, launches_of_older_targets_are_alone) {
  fakes.major = 8;
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_tensors tensors = tensors_of();
  const fi_workspace workspace = workspace_of(kernel, 0);
  struct workspace_parts parts;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_gt(fakes.launches, 1);
  for (uint32_t i = 0; i < fakes.launches; i++) {
    cr_expect_eq(fakes.attention[i].order, 0);
    cr_expect_eq(fakes.ctas[i], parts.of[i].layout.ctas);
  }
  fi_ctx_destroy(ctx);
}

/* Partials of launches that are on the machine together are in places of their own. */
Test(mix, scratch_is_not_shared) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_workspace workspace = workspace_of(kernel, 0);
  struct workspace_parts parts;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  uintptr_t end = (uintptr_t)workspace.scratch;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    cr_expect_gt(parts.of[i].layout.scratch_bytes, 0);
    cr_expect_eq((uintptr_t)parts.of[i].layout.arrays.plan.part_o, end);
    end += parts.of[i].layout.scratch_bytes;
  }
  cr_expect_eq(end, (uintptr_t)workspace.scratch + workspace.scratch_bytes);
  fi_ctx_destroy(ctx);
}

Test(mix, plans_lie_beside_each_other_and_know_all_members) {
  static const int tokens[MEMBERS] = {4, 8, 16, 32};
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_workspace workspace = workspace_of(kernel, 0);
  const fi_batch batch = batch_of();
  struct fi_plans_args plans;
  struct workspace_parts parts;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  memcpy(&plans, fakes.args, sizeof plans);
  uintptr_t end = (uintptr_t)workspace.memory;
  for (int i = 0; i < MEMBERS; i++) {
    const struct fi_plan_args *plan = &plans.plans[i];
    cr_expect_eq((uintptr_t)plan->plan.header, end);
    end += parts.of[i].layout.bytes;
    cr_expect_lt((uintptr_t)plan->plan.arrivals, end);
    cr_expect_eq(plan->tile_tokens, tokens[i]);
    cr_expect_eq(plan->member, i);
    cr_expect_eq(plan->member_count, MEMBERS);
    cr_expect_eq(plan->checked, plans.plans[0].checked, "pages are checked once");
    for (int m = 0; m < MEMBERS; m++)
      cr_expect_eq(plan->members[m].tile_tokens, tokens[m]);
    for (int j = 0; j < i; j++)
      cr_expect_eq(plan->id, plans.plans[j].id);
  }
  cr_expect_eq(end, (uintptr_t)workspace.memory + workspace.bytes);
  fi_ctx_destroy(ctx);
}

/* A plan of members as fi_plan gives it to its kernel. */
static void plan_members(fi_ctx *ctx, const char *spec, struct fi_member *members) {
  fi_kernel *kernel = kernel_of(ctx, spec);
  const fi_workspace workspace = workspace_of(kernel, 0);
  const fi_batch batch = batch_of();
  struct fi_plans_args plans;
  cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%s", fi_last_error());
  memcpy(&plans, fakes.args, sizeof plans);
  memcpy(members, plans.plans[0].members, sizeof plans.plans[0].members);
}

/* What launches cost on an H200. */
static const double launch_ns[] = {1000, 9000, 17000, 21000};
static const double wgmma_launch_ns[] = {1000, 9000, 13000};

/* On an H200 with group 4 and 128 dims, 512 bytes of KV a token: 33 bytes and 2660 floating-point operations a
 * nanosecond and SM, 2.3 times as many by wgmma. */
static void expect_costs(const char *spec, const int *rows, const double *launches, const double *rates, int count) {
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_90a"});
  struct fi_member members[MEMBERS];
  plan_members(ctx, spec, members);
  for (int m = 0; m < count; m++) {
    const double flops = 2 * rows[m] * 256 / (rates[m] * 2660);
    cr_expect_eq(members[m].tile_tokens, rows[m] / 4);
    cr_expect_float_eq(members[m].token_cost, 1000 * hypot(512 / 33., flops), 1, "%d rows", rows[m]);
    cr_expect_float_eq(members[m].launch_cost, launches[m] * 1000 * FAKE_SMS / 2, 1e4, "%d rows", rows[m]);
  }
  fi_ctx_destroy(ctx);
}

Test(mix, costs_are_those_of_the_target) {
  expect_costs(open_rows, (int[]){16, 32, 64, 128}, launch_ns, (double[]){1, 1, 1, 1}, MEMBERS);
  expect_costs(with_wgmma, (int[]){16, 32, 128}, wgmma_launch_ns, (double[]){1, 1, 2.3}, MEMBERS - 1);
}

/*
 * Microseconds of an H200 that costs predict for as many requests, of one length, as are timed, on 8 KV heads, with
 * tiles of a member.
 */
static double predicted(const struct fi_member *member, const struct timed *timed, double launch) {
  const int tiles = (timed->q_len + member->tile_tokens - 1) / member->tile_tokens;
  const double kv_len = timed->kv_len - timed->q_len / 2.;
  const double tile = kv_len * (double)member->token_cost + (double)member->tile_cost;
  return timed->requests * tiles * tile * 8 / 132 / 1e6 + launch / 1e3;
}

/* The tile that was fastest on an H200 is the cheapest, and what it is taken to cost is near to what it took. */
static void expect_timed(const char *spec, const double *launches, int kernels, const struct timed *timed,
                         size_t count) {
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_90a"});
  struct fi_member members[MEMBERS];
  plan_members(ctx, spec, members);
  for (size_t i = 0; i < count; i++) {
    int best = 0;
    double least = predicted(&members[0], &timed[i], launches[0]);
    for (int m = 1; m < kernels; m++) {
      const double us = predicted(&members[m], &timed[i], launches[m]);
      best = us < least ? m : best;
      least = us < least ? us : least;
    }
    cr_expect_eq(best, timed[i].fastest, "row %zu: member %d, %.1f us", i, best, least);
    cr_expect_lt(fabs(least - timed[i].us), 6 + 0.15 * timed[i].us, "row %zu: %.1f us, measured %.1f", i, least,
                 timed[i].us);
  }
  fi_ctx_destroy(ctx);
}

Test(mix, costs_are_those_that_were_measured) {
  static const struct timed timed[] = {
      {1, 1, 1024, 0, 7.8},     {16, 1, 1024, 0, 22.0},   {64, 1, 4096, 0, 248.1}, {64, 4, 4096, 0, 253.0},
      {64, 8, 4096, 1, 258.0},  {64, 16, 4096, 2, 327.5}, {4, 16, 1024, 0, 16.0},  {4, 4096, 4096, 3, 1781},
      {1, 1024, 1024, 3, 56.3}, {1, 512, 8192, 3, 215.5},
  };
  expect_timed(open_rows, launch_ns, MEMBERS, timed, sizeof timed / sizeof *timed);
}

Test(mix, costs_are_those_that_were_measured_of_wgmma) {
  static const struct timed timed[] = {
      {1, 16384, 16384, 2, 4485}, {1, 512, 8192, 2, 138},    {1, 128, 2048, 2, 24.6},
      {8, 256, 4096, 2, 302},     {1, 2048, 32768, 2, 2182},
  };
  expect_timed(with_wgmma, wgmma_launch_ns, MEMBERS - 1, timed, sizeof timed / sizeof *timed);
}

/* The last member's launch has maps. When the driver makes none, nothing is launched. */
Test(mix, maps_are_of_the_member_that_has_them) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, with_wgmma);
  const fi_tensors tensors = tensors_of();
  const fi_workspace bounded = workspace_of(kernel, 8);
  const fi_workspace workspace = workspace_of(kernel, 0);
  struct fi_attention_maps_args args;
  struct workspace_parts parts;
  cr_expect_eq(kernel->wider_count, MEMBERS - 2);
  cr_expect_eq(kernel->wider[1], kernel_of(ctx, "attention group=4 rows=128 page=16"));
  cr_assert_eq(fi_run(kernel, &tensors, &bounded, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.maps, 0);
  cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.maps, 8);
  memcpy(&args, fakes.args, sizeof args);
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  cr_expect_eq(args.v_token.words[0], 0x0808080808080808u);
  cr_expect_eq(args.attention.plan.header, parts.of[0].layout.arrays.plan.header);
  cr_expect_eq((uintptr_t)fakes.launch.args % 64, 0);
  fakes.launches = 0;
  fakes.map_status = FI_ERROR_DRIVER;
  cr_expect_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_ERROR_DRIVER);
  cr_expect_eq(fakes.launches, 0);
  fi_ctx_destroy(ctx);
}

/* What another number of members has planned is no plan of these bounds. */
Test(mix, plans_of_other_bounds_are_foreign) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  fi_kernel *alone = kernel_of(ctx, "attention family=mma group=4 rows=16 page=16");
  struct workspace_parts parts[3];
  fi_workspace workspace = workspace_of(kernel, 0);
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts[0]), FI_OK);
  cr_assert_eq(workspace_for_launch(alone, &workspace, NULL, &parts[1]), FI_OK);
  workspace.max_q_len = 16;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts[2]), FI_OK);
  cr_expect_neq(parts[0].of[0].layout.id, parts[1].of[0].layout.id);
  cr_expect_neq(parts[0].of[0].layout.id, parts[2].of[0].layout.id);
  fi_ctx_destroy(ctx);
}

/* An append kernel finds its rows where the first member's plan has them. */
Test(mix, append_shares_the_plan) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *append = kernel_of(ctx, "append page=16");
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  const fi_workspace workspace = workspace_of(kernel, 0);
  struct workspace_parts parts;
  struct workspace_parts own;
  cr_assert_eq(workspace_for_launch(kernel, &workspace, NULL, &parts), FI_OK);
  cr_assert_eq(workspace_for_launch(append, &workspace, NULL, &own), FI_OK, "%s", fi_last_error());
  cr_expect_eq(own.count, 1);
  cr_expect_eq(own.of[0].layout.rows_id, parts.of[0].layout.rows_id);
  cr_expect_eq(own.of[0].layout.arrays.plan.header, parts.of[0].layout.arrays.plan.header);
  cr_expect_eq(own.of[0].layout.arrays.plan.rows, parts.of[0].layout.arrays.plan.rows);
  fi_ctx_destroy(ctx);
}

/* Eight plans go in a launch, and those of one kernel in one: 1 + 4, 4 + 4 and 4. */
Test(mix, several_at_once) {
  enum { PLANS = 5 };
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernels[PLANS];
  fi_workspace workspaces[PLANS];
  fi_batch batch = batch_of();
  const fi_batch *batches[PLANS];
  const fi_workspace *pointers[PLANS];
  batch.page_count = 0;
  for (uintptr_t i = 0; i < PLANS; i++) {
    kernels[i] = kernel_of(ctx, i > 0 ? open_rows : "attention family=mma group=4 rows=16 page=16");
    workspaces[i] = workspace_of(kernels[i], 0);
    workspaces[i].memory = address(0x10000000 * (i + 1));
    batches[i] = &batch;
    pointers[i] = &workspaces[i];
  }
  cr_assert_eq(fi_plan_all(kernels, batches, pointers, PLANS, NULL), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.launches, 3, "of 5, 8 and 4 plans");
  struct fi_plans_args last;
  memcpy(&last, fakes.args, sizeof last);
  cr_expect_eq(last.count, MEMBERS);
  cr_expect_eq(last.plans[0].member, 0);
  fi_ctx_destroy(ctx);
}

/* A launch has a plan kernel that makes all its plans: one that knows intervals and members, or one of each. */
Test(mix, plans_of_several_kinds_at_once) {
  static const struct {
    const char *specs[3];
    uint32_t launches;
  } cases[] = {
      {{"attention hd=32 group=33", "attention hd=32 rows=64 left=9", "append hd=32"}, 2},
      {{"append hd=32", "attention hd=32 group=33", "attention hd=32 rows=16"}, 1},
      {{"attention hd=32 group=33 left=9", "attention hd=32 rows=64 left=9", "attention hd=32 group=33"}, 1},
      {{"attention hd=32 page=16 prefixes=1", "attention hd=32 group=33", "attention hd=32 rows=64 left=9"}, 1},
      {{"attention hd=32 page=16 rows=16 prefixes=1", "attention hd=32 group=33", "attention hd=32 rows=64 left=9"}, 3},
      {{"attention hd=32 page=16 prefixes=1", "attention hd=32 rows=16 left=9", "append hd=32"}, 1},
      {{"attention hd=32 page=16 rows=64 prefixes=1", "attention hd=32 rows=64 left=9", "append hd=32"}, 1},
      {{"attention hd=32 page=16 rows=16 prefixes=1", "attention hd=32 rows=64 left=9", "append hd=32"}, 2},
      {{"attention hd=32 page=16 prefixes=2", "attention hd=32 rows=16 left=9", "append hd=32"}, 1},
      {{"attention hd=32 page=16 prefixes=2", "attention hd=32 page=16 prefixes=1", "append hd=32"}, 2},
  };
  fi_ctx *ctx = make_context(NULL);
  fi_batch batch = batch_of();
  const fi_batch *batches[] = {&batch, &batch, &batch};
  batch.page_count = 0;
  batch.shared = address(0x8000);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fi_kernel *kernels[3];
    fi_workspace workspaces[3];
    const fi_workspace *pointers[3];
    for (uintptr_t k = 0; k < 3; k++) {
      kernels[k] = kernel_of(ctx, cases[i].specs[k]);
      workspaces[k] = workspace_of(kernels[k], 0);
      workspaces[k].memory = address(0x10000000 * (k + 1));
      pointers[k] = &workspaces[k];
    }
    fakes.launches = 0;
    cr_assert_eq(fi_plan_all(kernels, batches, pointers, 3, NULL), FI_OK, "%s", fi_last_error());
    cr_expect_eq(fakes.launches, cases[i].launches, "case %zu", i);
  }
  fi_ctx_destroy(ctx);
}

Test(mix, split_tokens_must_suit_every_kernel) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, open_rows);
  fi_workspace workspace = workspace_of(kernel, 0);
  workspace.split_tokens = 100;
  cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_ERROR_ARGUMENT);
  cr_expect(strstr(fi_last_error(), "workspace.split_tokens is 100"), "%s", fi_last_error());
  workspace.split_tokens = 512;
  cr_expect_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}
