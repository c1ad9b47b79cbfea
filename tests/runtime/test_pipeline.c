/* The way from a spec to a kernel: order of the steps, what is kept, what is counted and told. */
#include "fakes.h"

#include "generator/spec.h"
#include "runtime/build.h"
#include "runtime/kernel.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(pipeline, .init = fakes_reset);

static const char attention[] = "attention group=4 rows=16 page=16";

Test(pipeline, second_call_is_a_look_up) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, attention);
  fakes.log[0] = '\0';
  const fi_spec other_spelling = spec_of("attention q=bf16 page=16 group=4 hd=128 rows=16 rope_dim=64");
  cr_expect_null(table_find(&ctx->table, &other_spelling));
  cr_expect_eq(kernel_of(ctx, attention), kernel);
  cr_expect_eq(kernel_of(ctx, "attention q=bf16 page=16 group=4 hd=128 rows=16 rope_dim=64"), kernel,
               "another spelling");
  cr_expect_eq(table_find(&ctx->table, &other_spelling), kernel);
  cr_expect_eq(kernel_of(ctx, "attention q=bf16 page=16 group=4 hd=128 rows=16 rope_dim=64"), kernel);
  cr_expect_str_eq(fakes.log, "");
  cr_expect_eq(counters_of(ctx).memory_hits, 3);
  cr_expect_eq(counters_of(ctx).kernels, 2);
  cr_expect_eq(counters_of(ctx).compiles, 2);
  fi_ctx_destroy(ctx);
}

Test(pipeline, plan_kernel_is_shared) {
  fi_ctx *ctx = make_context(NULL);
  kernel_of(ctx, attention);
  kernel_of(ctx, "append page=16");
  kernel_of(ctx, "plan");
  cr_expect_eq(fakes.compiles, 3);
  fi_ctx_destroy(ctx);
}

/* Plans of windows and the like have a plan kernel of their own, as have those of lists, those that look for prefixes,
 * and those of several kernels. */
Test(pipeline, plan_kernels_of_intervals) {
  static const struct {
    const char *spec;
    uint32_t plan;
  } rows[] = {{"attention rows=16", 0},
              {"attention rows=16 mask=none", 0},
              {"attention rows=16 bits=1", 0},
              {"append page=16", 0},
              {"attention rows=16 left=1", 1},
              {"attention rows=16 mask=none right=9", 1},
              {"attention rows=16 chunk=7", 1},
              {"attention rows=16 start=1", 1},
              {"attention rows=16 ranges=1", 1},
              {"attention bits=1 left=5 hd=64 rows=16", 1},
              {"attention select=1", 2},
              {"attention page=16 left=1 select=8", 2},
              {"attention page=16 rows=16 prefixes=1", 3},
              {"attention page=16 rows=16 left=1 prefixes=1", 3},
              {"attention hd=32 group=33", 4},
              {"attention hd=32 group=33 left=1", 5},
              {"attention hd=32 group=65", 6},
              {"attention hd=32 rows=64", 6},
              {"attention hd=32 rows=32", 0},
              {"attention page=16 rows=64 prefixes=1", 7},
              {"attention page=16 rows=16 prefixes=2", 8},
              {"attention hd=32 group=33 page=16 prefixes=1", 9},
              {"attention hd=32 group=33 page=16 prefixes=2", 10}};
  fi_ctx *ctx = make_context(NULL);
  const fi_kernel *plans[] = {kernel_of(ctx, "plan"),
                              kernel_of(ctx, "plan intervals=1"),
                              kernel_of(ctx, "plan intervals=2"),
                              kernel_of(ctx, "plan intervals=2 prefixes=1"),
                              kernel_of(ctx, "plan members=2"),
                              kernel_of(ctx, "plan intervals=1 members=2"),
                              kernel_of(ctx, "plan members=1"),
                              kernel_of(ctx, "plan intervals=2 prefixes=1 members=1"),
                              kernel_of(ctx, "plan intervals=2 prefixes=2"),
                              kernel_of(ctx, "plan intervals=2 prefixes=1 members=2"),
                              kernel_of(ctx, "plan intervals=2 prefixes=2 members=2")};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    cr_expect_eq(kernel_of(ctx, rows[i].spec)->plan, plans[rows[i].plan], "%s", rows[i].spec);
  const size_t wider = 4; /* that the four of group 33 have besides */
  cr_expect_eq(fakes.compiles, sizeof plans / sizeof *plans + sizeof rows / sizeof *rows + wider);
  fi_ctx_destroy(ctx);
}

Test(pipeline, cached_kernels_are_not_compiled) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, attention);
  fi_ctx_destroy(ctx);
  fakes_reset();

  ctx = make_context(directory);
  fi_kernel *kernel = kernel_of(ctx, attention);
  fi_facts facts = {.struct_size = sizeof facts};
  cr_assert_eq(fi_kernel_facts(kernel, &facts), FI_OK);
  cr_expect_eq(fakes.compiles, 0);
  cr_expect_eq(counters_of(ctx).user_hits, 2);
  cr_expect_eq(facts.layer, FI_LAYER_USER);
  cr_expect_eq(facts.compile_ms, 0);
  cr_expect_str_eq(facts.target, "compute_90a");
  cr_expect_str_eq(facts.toolchain, "nv1.0-00000001");
  cr_expect_eq(strlen(facts.key), 32);
  fi_ctx_destroy(ctx);

  fakes_reset();
  ctx = make_context_with((fi_options){.read_only_dirs = directory, .mode = FI_MODE_LOAD_ONLY});
  kernel_of(ctx, attention);
  cr_expect_eq(counters_of(ctx).read_only_hits, 2);
  cr_expect_null(strstr(fakes.log, "open_compiler"));
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

Test(pipeline, load_only_never_opens_the_compiler) {
  fi_ctx *ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY});
  cr_expect_eq(get(ctx, attention), FI_ERROR_NOT_CACHED);
  cr_expect(strstr(fi_last_error(), "mode forbids compiling"), "%s", fi_last_error());
  cr_expect(strstr(fi_last_error(), attention), "%s", fi_last_error());
  cr_expect_null(strstr(fakes.log, "open_compiler"));
  fi_ctx_destroy(ctx);
}

Test(pipeline, memory_only_looks_nowhere) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, attention);
  fi_ctx_destroy(ctx);
  fakes_reset();
  ctx = make_context_with((fi_options){.mode = FI_MODE_MEMORY_ONLY, .cache_dir = directory});
  cr_expect_eq(get(ctx, attention), FI_ERROR_NOT_CACHED);
  cr_expect_str_eq(fakes.log, "");
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

/* What a server does after warm-up, and back. */
Test(pipeline, the_mode_can_change) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, attention);
  kernel_of(ctx, "append page=16");
  fi_ctx_destroy(ctx);
  fakes_reset();

  ctx = make_context(directory);
  kernel_of(ctx, attention);
  fakes.log[0] = '\0';
  cr_expect_eq(fi_ctx_set_mode(ctx, FI_MODE_MEMORY_ONLY), FI_OK);
  cr_expect_eq(get(ctx, attention), FI_OK, "held already: %s", fi_last_error());
  cr_expect_eq(get(ctx, "append page=16"), FI_ERROR_NOT_CACHED, "it is on the disk only");
  cr_expect_eq(fi_ctx_set_mode(ctx, FI_MODE_LOAD_ONLY), FI_OK);
  cr_expect_eq(get(ctx, "merge"), FI_ERROR_NOT_CACHED);
  cr_expect_str_eq(fakes.log, "");
  cr_expect_eq(get(ctx, "append page=16"), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.compiles, 0);
  cr_expect_eq(fi_ctx_set_mode(ctx, FI_MODE_ON), FI_OK);
  cr_expect_eq(get(ctx, "merge"), FI_OK, "%s", fi_last_error());
  cr_expect_eq(fakes.compiles, 1);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

Test(pipeline, a_bad_kernel_is_compiled_once) {
  fi_ctx *ctx = make_context(NULL);
  fakes.compile_status = FI_ERROR_COMPILE;
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(get(ctx, attention), FI_ERROR_COMPILE);
    cr_expect(strstr(fi_last_error(), "the fake compiler fails"), "%s", fi_last_error());
  }
  cr_expect_eq(fakes.compiles, 2, "and its plan kernel");
  cr_expect_eq(counters_of(ctx).failures, 1);
  fi_ctx_destroy(ctx);
}

Test(pipeline, what_may_pass_is_tried_again) {
  fi_ctx *ctx = make_context(NULL);
  fakes.no_driver = true;
  cr_expect_eq(get(ctx, attention), FI_ERROR_NO_DRIVER);
  cr_expect_eq(fakes.compiles, 0);
  fakes.no_driver = false;
  fakes.no_compiler = true;
  cr_expect_eq(get(ctx, attention), FI_ERROR_NO_COMPILER);
  fakes.no_compiler = false;
  fakes.no_context = true;
  for (int i = 0; i < 2; i++)
    cr_expect_eq(get(ctx, attention), FI_ERROR_DRIVER, "a kernel that is not prepared is not ready");
  fakes.no_context = false;
  fakes.major = 7;
  cr_expect_eq(get(ctx, attention), FI_ERROR_UNSUPPORTED);
  fakes.major = 9;
  cr_expect_eq(get(ctx, attention), FI_OK);
  cr_expect_eq(fakes.compiles, 2);
  cr_expect_eq(fakes.loads, 2);
  fi_ctx_destroy(ctx);
}

Test(pipeline, a_device_without_kernels_is_not_for_ever) {
  fi_ctx *ctx = make_context(NULL);
  fakes.major = 5;
  cr_expect_eq(get(ctx, "merge"), FI_ERROR_UNSUPPORTED);
  fakes.major = 9;
  cr_expect_eq(get(ctx, "merge"), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

Test(pipeline, serialised_wgmma_fails_the_build) {
  static const char *const logs[][2] = {
      {"ptxas info    : (C7510) Potential Performance Loss: wgmma is serialized\n", "serialised"},
      {"ptxas info    : (C7514) Potential Performance Loss: wgmma is serialized\n", "serialised"},
  };
  for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
    char *directory = make_directory();
    fi_ctx *ctx = make_context(directory);
    fakes.compile_log = logs[i][0];
    cr_expect_eq(get(ctx, attention), FI_ERROR_COMPILE, "%s", logs[i][0]);
    cr_expect(strstr(fi_last_error(), logs[i][1]), "%s", fi_last_error());
    cr_expect(strstr(fi_last_error(), logs[i][0]), "the log is part of the message");
    fi_ctx_destroy(ctx);
    fakes.compile_log = NULL;
    ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
    cr_expect_eq(get(ctx, attention), FI_ERROR_NOT_CACHED, "a failed build is not published");
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}

Test(pipeline, an_image_without_the_kernel_fails_the_build) {
  fi_ctx *ctx = make_context(NULL);
  fakes.no_kernel = true;
  cr_expect_eq(get(ctx, attention), FI_ERROR_COMPILE);
  cr_expect(strstr(fi_last_error(), "made no kernel"), "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

static void note_event(void *user, const fi_event *event) {
  char *log = user;
  char line[256];
  cr_expect_eq(event->struct_size, sizeof *event);
  cr_expect(event->spec && event->target && event->key && event->message);
  snprintf(line, sizeof line, "%u/%u/%d/%u %s %s %zu %s\n", event->kind, event->layer, event->status, event->unkept,
           event->spec, event->target, strlen(event->key), event->message);
  strcat(log, line);
}

Test(pipeline, events) {
  char log[4096] = "";
  fi_ctx *ctx = make_context_with((fi_options){.on_event = note_event, .user = log});
  kernel_of(ctx, "merge");
  kernel_of(ctx, "merge");
  cr_expect_str_eq(log, "1/3/0/0 merge compute_90a 32 \n"
                        "2/3/0/0 merge compute_90a 32 \n"
                        "3/3/0/0 merge compute_90a 32 \n");
  log[0] = '\0';
  fakes.compile_status = FI_ERROR_COMPILE;
  cr_expect_eq(get(ctx, "merge hd=64"), FI_ERROR_COMPILE);
  cr_expect_str_eq(log, "1/3/0/0 merge hd=64 compute_90a 32 \n"
                        "2/3/7/0 merge hd=64 compute_90a 32 the fake compiler fails\n");
  fi_ctx_destroy(ctx);
}

static void fail_inside(void *user, const fi_event *event) {
  fi_get_kernel(NULL, NULL, NULL);
  if (event->kind == FI_EVENT_COMPILE_END)
    strcpy(user, event->message);
}

Test(pipeline, a_callback_may_fail) {
  char message[4096] = "";
  fi_ctx *ctx = make_context_with((fi_options){.on_event = fail_inside, .user = message});
  fakes.compile_status = FI_ERROR_COMPILE;
  for (int i = 0; i < 2; i++) {
    cr_expect_eq(get(ctx, "merge"), FI_ERROR_COMPILE);
    cr_expect_str_eq(fi_last_error(), "the fake compiler fails");
  }
  cr_expect_str_eq(message, "the fake compiler fails");
  fi_ctx_destroy(ctx);
}

Test(pipeline, an_unusable_cache_costs_a_compile_and_nothing_else) {
  char log[4096] = "";
  fi_ctx *ctx = make_context_with((fi_options){.cache_dir = "/dev/null/cache", .on_event = note_event, .user = log});
  cr_expect_eq(get(ctx, "merge"), FI_OK);
  cr_expect_geq(counters_of(ctx).cache_problems, 1);
  cr_expect(strstr(log, "/dev/null/cache"), "%s", log);
  fi_ctx_destroy(ctx);
}

/* A program can tell that nothing will be kept from what costs a compile at most. */
Test(pipeline, problems_of_opening_the_cache) {
  static const struct {
    const char *read_only;
    const char *directory;
    const char *log; /* how it begins */
  } cases[] = {
      {NULL, "", NULL},
      {NULL, NULL, "4/0/0/1   0 none of FLASHJIT_CACHE_DIR, XDG_CACHE_HOME and HOME"},
      {NULL, "/dev/null/cache", "4/0/0/1   0 /dev/null/cache: "},
      {"/no/such/folder", "/dev/null/cache", "4/0/0/1   0 /no/such/folder: does not exist; /dev/null/cache: "},
      {"/no/such/folder", "user", "4/0/0/0   0 /no/such/folder: does not exist"},
      {NULL, "user", NULL},
  };
  char *user = make_directory();
  unsetenv("FLASHJIT_CACHE_DIR");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char log[4096] = "";
    const bool is_user = cases[i].directory && strcmp(cases[i].directory, "user") == 0;
    const fi_options options = {.struct_size = sizeof options,
                                .read_only_dirs = cases[i].read_only,
                                .cache_dir = is_user ? user : cases[i].directory,
                                .on_event = note_event,
                                .user = log};
    fi_ctx *ctx;
    cr_assert_eq(context_create(&options, &fake_parts, &ctx), FI_OK, "%s", fi_last_error());
    cr_expect_eq(counters_of(ctx).cache_problems, cases[i].log != NULL, "case %zu", i);
    if (cases[i].log)
      cr_expect(strncmp(log, cases[i].log, strlen(cases[i].log)) == 0, "case %zu: %s", i, log);
    else
      cr_expect_str_empty(log, "case %zu: %s", i, log);
    fi_ctx_destroy(ctx);
  }
  remove_directory(user);
}

Test(pipeline, precompile_needs_no_driver) {
  char *directory = make_directory();
  const fi_spec spec = spec_of(attention);
  fi_facts facts = {.struct_size = sizeof facts};
  fakes.no_driver = true;
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_90a", .cache_dir = directory});
  cr_assert_eq(fi_precompile(ctx, &spec, &facts), FI_OK, "%s", fi_last_error());
  cr_expect_eq(facts.layer, FI_LAYER_COMPILED);
  cr_expect_eq(facts.threads, 128);
  cr_expect_gt(facts.source_lines, 50);
  cr_assert_eq(fi_precompile(ctx, &spec, &facts), FI_OK);
  cr_expect_eq(facts.layer, FI_LAYER_USER);
  cr_expect_eq(fakes.compiles, 2, "the kernel and its plan, once");
  fi_ctx_destroy(ctx);

  fakes.no_driver = false;
  ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY, .cache_dir = directory});
  cr_expect_eq(get(ctx, attention), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

Test(pipeline, precompile_says_when_nothing_was_stored) {
  static const struct {
    const char *directory;
    const char *message;
  } cases[] = {
      {"/dev/null/cache", "/dev/null/cache: "},
      {"", "FLASHJIT_CACHE_DIR"},
      {NULL, "none of FLASHJIT_CACHE_DIR, XDG_CACHE_HOME and HOME"},
  };
  const fi_spec spec = spec_of(attention);
  unsetenv("FLASHJIT_CACHE_DIR");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const fi_options options = {.struct_size = sizeof options, .cache_dir = cases[i].directory};
    fi_facts facts = {.struct_size = sizeof facts};
    fi_ctx *ctx;
    cr_assert_eq(context_create(&options, &fake_parts, &ctx), FI_OK, "%s", fi_last_error());
    for (int again = 0; again < 2; again++) {
      cr_expect_eq(fi_precompile(ctx, &spec, &facts), FI_ERROR_NOT_CACHED);
      cr_expect(strstr(fi_last_error(), cases[i].message), "%s", fi_last_error());
    }
    cr_expect_str_eq(facts.target, "compute_90a");
    fi_ctx_destroy(ctx);
  }
}

Test(pipeline, kernel_spec_has_every_default) {
  fi_ctx *ctx = make_context(NULL);
  fi_spec spec;
  cr_assert_eq(fi_kernel_spec(kernel_of(ctx, "attention group=3 rows=16"), &spec), FI_OK);
  cr_expect_eq(spec.struct_size, sizeof spec);
  cr_expect_eq(spec.kv_dtype, FI_BF16);
  cr_expect_eq(spec.rows, 16);
  fi_ctx_destroy(ctx);
}

/* What a forked child gets, as a mask of the calls that did not answer FI_ERROR_FORKED. */
static int calls_in_child(fi_ctx *ctx, fi_kernel *kernel, const fi_spec *spec) {
  fi_kernel *other;
  fi_facts facts = {.struct_size = sizeof facts};
  fi_counters counters = {.struct_size = sizeof counters};
  const fi_status statuses[] = {
      fi_get_kernel(ctx, spec, &other), fi_precompile(ctx, spec, NULL),   fi_counters_read(ctx, &counters),
      fi_kernel_facts(kernel, &facts),  fi_kernel_prepare(kernel),        fi_plan(kernel, NULL, NULL, NULL),
      fi_run(kernel, NULL, NULL, NULL), fi_ctx_set_mode(ctx, FI_MODE_ON), fi_get_kernels(ctx, spec, 1, 1, &other, NULL),
  };
  int wrong = 0;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    wrong |= (statuses[i] != FI_ERROR_FORKED) << i;
  fi_ctx_destroy(ctx);
  fi_ctx *own = make_context(NULL);
  wrong |= (fi_get_kernel(own, spec, &other) != FI_OK) << sizeof statuses / sizeof *statuses;
  return wrong;
}

Test(pipeline, a_forked_child_gets_an_error) {
  fi_ctx *ctx = make_context(NULL);
  const fi_spec spec = spec_of(attention);
  fi_kernel *kernel = kernel_of(ctx, attention);
  const pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0)
    _exit(calls_in_child(ctx, kernel, &spec));
  int status;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
  cr_expect_eq(get(ctx, attention), FI_OK, "the parent goes on");
  fi_ctx_destroy(ctx);
}

/* A context of its own serves it. */
Test(pipeline, another_kind_of_device_is_refused) {
  fi_facts facts = {.struct_size = sizeof facts};
  fi_ctx *ctx = make_context(NULL);
  fi_ctx *other = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, attention);
  fakes.device = 1;
  cr_expect_eq(fi_kernel_prepare(kernel), FI_OK);
  cr_expect_eq(fakes.prepares, 4);
  fakes.device = 2;
  fakes.major = 8;
  cr_expect_eq(fi_kernel_prepare(kernel), FI_ERROR_UNSUPPORTED);
  cr_expect(strstr(fi_last_error(), "device 2 has compute capability 8.0"), "%s", fi_last_error());
  fi_kernel *theirs = kernel_of(other, attention);
  cr_expect_eq(fi_kernel_prepare(theirs), FI_OK);
  cr_expect_eq(fi_kernel_facts(theirs, &facts), FI_OK);
  cr_expect_str_eq(facts.target, "compute_80");
  fi_ctx_destroy(other);
  fi_ctx_destroy(ctx);
}

/* 8.6 and 8.9 run kernels for sm_80 and have 99 KiB where 8.0 has 163. */
Test(pipeline, a_device_with_less_shared_memory) {
  fi_ctx *ctx = make_context_with((fi_options){.target = "compute_80"});
  fakes.major = 8;
  fakes.minor = 6;
  fakes.shared_per_block = 99 << 10;
  cr_expect_eq(get(ctx, "plan"), FI_OK, "%s", fi_last_error());
  cr_expect_leq(fakes.prepared.dynamic_shared, fakes.shared_per_block);
  cr_expect_gt(fakes.prepared.dynamic_shared, fakes.shared_per_block - 4096);
  fi_ctx_destroy(ctx);
}

/* There a kernel has the first of its tiles that fits, under a key of its own, so that neither device finds the
 * other's. */
Test(pipeline, a_tile_that_fits_the_device) {
  static const char large[] = "attention hd=256 group=16 rows=128";
  static const uint32_t sizes[] = {163 << 10, 99 << 10, 163 << 10, 99 << 10};
  char *directory = make_directory();
  fi_facts facts[4];
  for (size_t i = 0; i < 4; i++) {
    fi_ctx *ctx = make_context_with((fi_options){.target = "compute_80", .cache_dir = directory});
    fakes.major = 8;
    fakes.compiles = 0;
    fakes.shared_per_block = sizes[i];
    facts[i] = (fi_facts){.struct_size = sizeof facts[i]};
    cr_assert_eq(get(ctx, large), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_kernel_facts(kernel_of(ctx, large), &facts[i]), FI_OK);
    cr_expect_leq(fakes.prepared.dynamic_shared, sizes[i]);
    cr_expect_eq(fakes.compiles, i == 0 ? 2 : i == 1 ? 1 : 0, "run %zu: %u", i, (unsigned)fakes.compiles);
    fi_ctx_destroy(ctx);
  }
  cr_expect_eq(facts[0].choice, 0);
  cr_expect_gt(facts[1].choice, 0);
  cr_expect_str_neq(facts[0].key, facts[1].key);
  cr_expect_str_eq(facts[0].key, facts[2].key);
  cr_expect_str_eq(facts[1].key, facts[3].key);
  remove_directory(directory);
}

/* When the first that fits spills, those after it are tried, and no other. */
Test(pipeline, a_tile_that_fits_the_device_and_spills) {
  static const char large[] = "attention hd=256 group=16 rows=128";
  uint32_t chosen[2];
  for (uint32_t spills = 0; spills < 2; spills++) {
    fi_ctx *ctx = make_context_with((fi_options){.target = "compute_80"});
    fi_facts facts = {.struct_size = sizeof facts};
    fakes_reset();
    fakes.major = 8;
    fakes.shared_per_block = 99 << 10;
    fakes.spills = spills;
    cr_assert_eq(get(ctx, large), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_kernel_facts(kernel_of(ctx, large), &facts), FI_OK);
    chosen[spills] = facts.choice;
    cr_expect_eq(fakes.compiles, 2 + spills);
    fi_ctx_destroy(ctx);
  }
  cr_expect_gt(chosen[1], chosen[0]);
}

/* What no tile is for is told before anything is compiled, the plan kernel neither. */
Test(pipeline, no_tile_no_compile) {
  const fi_spec spec = spec_of("attention hd=512 group=127 rows=128");
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(get(ctx, "attention hd=512 group=127 rows=128"), FI_ERROR_UNSUPPORTED);
  cr_expect_eq(fi_precompile(ctx, &spec, NULL), FI_ERROR_UNSUPPORTED);
  cr_expect(strstr(fi_last_error(), "has no tile"), "%s", fi_last_error());
  fakes.shared_per_block = 8 << 10;
  cr_expect_eq(get(ctx, attention), FI_ERROR_UNSUPPORTED);
  cr_expect(strstr(fi_last_error(), "a CTA on the device has 8192"), "%s", fi_last_error());
  cr_expect_eq(fakes.compiles, 0);
  fi_ctx_destroy(ctx);
}

/* A device that no target is for runs the PTX of an older one. */
Test(pipeline, devices_without_a_target_of_their_own) {
  static const struct {
    uint32_t major;
    uint32_t minor;
    const char *target;
  } devices[] = {{8, 7, "compute_86"}, {10, 3, "compute_89"}, {11, 0, "compute_89"}, {12, 1, "compute_89"}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    fakes.major = devices[i].major;
    fakes.minor = devices[i].minor;
    fi_ctx *ctx = make_context(NULL);
    fi_facts facts = {.struct_size = sizeof facts};
    cr_assert_eq(get(ctx, attention), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_kernel_facts(kernel_of(ctx, attention), &facts), FI_OK);
    cr_expect_str_eq(facts.target, devices[i].target);
    fi_ctx_destroy(ctx);
  }
}

Test(pipeline, targets_run_where_cuda_says_they_do) {
  static const struct {
    const char *target;
    uint32_t major;
    uint32_t minor;
    bool runs;
  } cases[] = {
      {"compute_90a", 9, 0, true}, {"compute_90a", 10, 0, false}, {"compute_80", 8, 0, true},
      {"compute_80", 9, 0, true},  {"compute_86", 8, 0, false},   {"compute_80", 7, 5, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fi_ctx *ctx = make_context_with((fi_options){.target = cases[i].target});
    fakes.major = cases[i].major;
    fakes.minor = cases[i].minor;
    fakes.compiles = 0;
    cr_expect_eq(get(ctx, "merge"), cases[i].runs ? FI_OK : FI_ERROR_UNSUPPORTED, "case %zu: %s", i, fi_last_error());
    cr_expect_eq(fakes.compiles, cases[i].runs, "case %zu: told after a compile", i);
    fi_ctx_destroy(ctx);
  }
}

static struct cache_key key_of(const char *target, const char *text) {
  fi_ctx *ctx = make_context_with((fi_options){.target = target});
  const fi_spec spec = spec_of(text);
  fi_spec canonical;
  struct build build;
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(build_begin(&build, ctx, &canonical, UINT32_MAX), FI_OK, "%s", fi_last_error());
  const struct cache_key key = build.key;
  build_end(&build);
  fi_ctx_destroy(ctx);
  return key;
}

Test(pipeline, key_tells_kernels_apart) {
  const struct cache_key keys[] = {
      key_of("sm_90a", "merge"),       key_of("compute_90a", "merge"),        key_of("sm_80", "merge"),
      key_of("sm_90a", "merge hd=64"), key_of("sm_90a", "attention rows=16"),
  };
  const size_t count = sizeof keys / sizeof *keys;
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++)
      cr_expect_not(cache_key_equal(&keys[i], &keys[j]), "%zu and %zu", i, j);
  }
  const struct cache_key again = key_of("sm_90a", "merge hd=128 q=bf16");
  cr_expect(cache_key_equal(&keys[0], &again));
}
