/* Cached images that the driver refuses: what is tried next, and when the compiler has to make another. */
#include "fakes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(refused, .init = fakes_reset);

#define OLD "nv0.9-00000001"
#define OWN "nv1.0-00000001"
#define NEW "nv1.10-00000001"

/* The folders of a cache, in the order of their layers. */
enum { FIRST, SECOND, USER, FOLDERS };

struct folders {
  char *paths[FOLDERS];
  char read_only[256];
};

static void make_folders(struct folders *folders) {
  for (int i = 0; i < FOLDERS; i++)
    folders->paths[i] = make_directory();
  snprintf(folders->read_only, sizeof folders->read_only, "%s:%s", folders->paths[FIRST], folders->paths[SECOND]);
}

static void remove_folders(const struct folders *folders) {
  for (int i = 0; i < FOLDERS; i++)
    remove_directory(folders->paths[i]);
}

static fi_ctx *context_on(const struct folders *folders, uint32_t mode) {
  return make_context_with(
      (fi_options){.mode = mode, .read_only_dirs = folders->read_only, .cache_dir = folders->paths[USER]});
}

/* The kernel of these tests, in one folder, made by this toolchain. */
struct entry {
  int folder;
  char mark;
  const char *toolchain;
};

static void put(const struct folders *folders, const struct entry *entry) {
  fakes_reset();
  fakes.toolchain = entry->toolchain;
  fakes.mark = entry->mark;
  fi_ctx *ctx = make_context(folders->paths[entry->folder]);
  const fi_spec spec = spec_of("merge");
  cr_assert_eq(fi_precompile(ctx, &spec, NULL), FI_OK, "%s", fi_last_error());
  fi_ctx_destroy(ctx);
}

enum { ENTRIES = 4 };

static const struct {
  const char *name;
  struct entry entries[ENTRIES];
  uint32_t mode;
  bool no_compiler;
  const char *rejected;
  const char *tried; /* marks, in order; that of a compile is '-' */
  fi_status status;
  uint32_t layer;
  const char *toolchain;
} cases[] = {
    {.name = "nothing is refused",
     .entries = {{FIRST, 'a', OLD}, {SECOND, 'b', OWN}, {USER, 'c', OWN}},
     .tried = "b",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OWN},
    {.name = "another toolchain alone will do",
     .entries = {{FIRST, 'a', OLD}, {USER, 'b', NEW}},
     .tried = "a",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OLD},
    {.name = "the next read-only layer",
     .entries = {{FIRST, 'a', OWN}, {SECOND, 'b', OWN}, {USER, 'c', OWN}},
     .rejected = "a",
     .tried = "ab",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OWN},
    {.name = "the user's layer",
     .entries = {{FIRST, 'a', OWN}, {SECOND, 'b', OWN}, {USER, 'c', OWN}},
     .rejected = "ab",
     .tried = "abc",
     .layer = FI_LAYER_USER,
     .toolchain = OWN},
    {.name = "an older toolchain, in an earlier layer",
     .entries = {{FIRST, 'a', OLD}, {USER, 'b', OWN}},
     .rejected = "b",
     .tried = "ba",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OLD},
    {.name = "own toolchain in all layers, then the others, newest first",
     .entries = {{FIRST, 'a', OWN}, {FIRST, 'b', OLD}, {FIRST, 'c', NEW}, {USER, 'd', OWN}},
     .rejected = "acd",
     .tried = "adcb",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OLD},
    {.name = "none is left",
     .entries = {{FIRST, 'a', OLD}, {USER, 'b', OWN}},
     .rejected = "ab",
     .tried = "ba-",
     .layer = FI_LAYER_COMPILED,
     .toolchain = OWN},
    {.name = "not even what was compiled",
     .entries = {{USER, 'a', OWN}},
     .rejected = "a-",
     .tried = "a-",
     .status = FI_ERROR_DRIVER},
    {.name = "load only: newest first",
     .entries = {{FIRST, 'a', OLD}, {FIRST, 'b', NEW}, {USER, 'c', OWN}},
     .mode = FI_MODE_LOAD_ONLY,
     .tried = "b",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = NEW},
    {.name = "load only: an older toolchain",
     .entries = {{USER, 'a', OLD}, {USER, 'b', NEW}, {USER, 'c', OWN}},
     .mode = FI_MODE_LOAD_ONLY,
     .rejected = "bc",
     .tried = "bca",
     .layer = FI_LAYER_USER,
     .toolchain = OLD},
    {.name = "load only: the next layer",
     .entries = {{FIRST, 'a', NEW}, {SECOND, 'b', OLD}, {USER, 'c', NEW}},
     .mode = FI_MODE_LOAD_ONLY,
     .rejected = "a",
     .tried = "ab",
     .layer = FI_LAYER_READ_ONLY,
     .toolchain = OLD},
    {.name = "load only: none is left",
     .entries = {{FIRST, 'a', NEW}, {USER, 'b', OLD}},
     .mode = FI_MODE_LOAD_ONLY,
     .rejected = "ab",
     .tried = "ab",
     .status = FI_ERROR_NOT_CACHED},
    {.name = "no compiler: an older toolchain",
     .entries = {{USER, 'a', OLD}, {USER, 'b', NEW}},
     .no_compiler = true,
     .rejected = "b",
     .tried = "ba",
     .layer = FI_LAYER_USER,
     .toolchain = OLD},
    {.name = "no compiler: none is left",
     .entries = {{FIRST, 'a', OWN}},
     .no_compiler = true,
     .rejected = "a",
     .tried = "a",
     .status = FI_ERROR_NO_COMPILER},
};

static void expect_result(size_t i, fi_ctx *ctx) {
  cr_expect_eq(get(ctx, "merge"), cases[i].status, "%s: %s", cases[i].name, fi_last_error());
  cr_expect_str_eq(fakes.marks, cases[i].tried, "%s: tried %s", cases[i].name, fakes.marks);
  const size_t refused = strlen(cases[i].tried) - (cases[i].status == FI_OK);
  cr_expect_eq(counters_of(ctx).cache_problems, refused, "%s", cases[i].name);
  if (cases[i].status)
    return;
  fi_facts facts = {.struct_size = sizeof facts};
  cr_assert_eq(fi_kernel_facts(kernel_of(ctx, "merge"), &facts), FI_OK);
  cr_expect_eq(facts.layer, cases[i].layer, "%s: layer %u", cases[i].name, facts.layer);
  cr_expect_str_eq(facts.toolchain, cases[i].toolchain, "%s: %s", cases[i].name, facts.toolchain);
}

Test(refused, entries_are_tried_in_order) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct folders folders;
    make_folders(&folders);
    for (size_t j = 0; j < ENTRIES && cases[i].entries[j].mark; j++)
      put(&folders, &cases[i].entries[j]);
    fakes_reset();
    fakes.no_compiler = cases[i].no_compiler;
    fakes.rejected = cases[i].rejected;
    fi_ctx *ctx = context_on(&folders, cases[i].mode);
    expect_result(i, ctx);
    cr_expect_eq(fakes.compiles, strchr(cases[i].tried, '-') != NULL, "%s", cases[i].name);
    fi_ctx_destroy(ctx);
    remove_folders(&folders);
  }
}

/* The next process finds what this one compiled in place of a refused image. */
Test(refused, a_compile_replaces_the_users_entry_and_stands_in_for_a_read_only_one) {
  static const struct {
    struct entry entry;
    const char *tried;
  } replaced[] = {{{USER, 'a', OWN}, "-"}, {{FIRST, 'a', OWN}, "a-"}};
  for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
    struct folders folders;
    make_folders(&folders);
    put(&folders, &replaced[i].entry);
    for (int process = 0; process < 2; process++) {
      fakes_reset();
      fakes.rejected = "a";
      fi_ctx *ctx = context_on(&folders, FI_MODE_ON);
      cr_expect_eq(get(ctx, "merge"), FI_OK, "%s", fi_last_error());
      cr_expect_eq(fakes.compiles, process == 0, "case %zu", i);
      cr_expect_str_eq(fakes.marks, process == 0 ? "a-" : replaced[i].tried, "case %zu: %s", i, fakes.marks);
      fi_ctx_destroy(ctx);
    }
    remove_folders(&folders);
  }
}

static void expect_in_error(const char *part) {
  cr_expect(strstr(fi_last_error(), part), "\"%s\" is not in: %s", part, fi_last_error());
}

Test(refused, the_error_tells_how_many_and_why) {
  static const struct {
    uint32_t mode;
    bool no_compiler;
    const char *why;
  } ways[] = {
      {FI_MODE_LOAD_ONLY, false, "the mode forbids compiling, and the driver refused"},
      {FI_MODE_ON, true, "the fake compiler is not there, and the driver refused"},
  };
  struct folders folders;
  make_folders(&folders);
  put(&folders, &(struct entry){FIRST, 'a', OWN});
  put(&folders, &(struct entry){USER, 'b', OLD});
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    fakes_reset();
    fakes.no_compiler = ways[i].no_compiler;
    fakes.rejected = "ab";
    fi_ctx *ctx = context_on(&folders, ways[i].mode);
    cr_expect_neq(get(ctx, "merge"), FI_OK);
    expect_in_error(ways[i].why);
    expect_in_error("\"merge\" for compute_90a, 2 in all: ");
    expect_in_error(folders.paths[FIRST]);
    expect_in_error(OWN ".fik: the fake driver does not like image a; ");
    expect_in_error(folders.paths[USER]);
    expect_in_error(OLD ".fik: the fake driver does not like image b");
    fi_ctx_destroy(ctx);
  }
  remove_folders(&folders);
}

/* -------------------------------------------------------------------------------- several compilers */

/* What processes do, one after the other, with a driver that refuses what the newest compiler makes. */
static const struct {
  const char *name;
  uint32_t older_compilers;
  const char *rejected;
  bool keeps; /* there is a user's cache */
  const char *tried[3];
  uint32_t compiles[3];
  fi_status status;
} generations[] = {
    {.name = "the next compiler is tried, and its image found the next time",
     .older_compilers = 1,
     .rejected = "-",
     .keeps = true,
     .tried = {"-2", "2", "2"},
     .compiles = {2, 0, 0}},
    {.name = "the one after that",
     .older_compilers = 2,
     .rejected = "-2",
     .keeps = true,
     .tried = {"-23", "3", "3"},
     .compiles = {3, 0, 0}},
    {.name = "without a cache",
     .older_compilers = 1,
     .rejected = "-",
     .tried = {"-2", "-2", "-2"},
     .compiles = {2, 2, 2}},
    {.name = "what all compilers make is refused: no process makes it again",
     .older_compilers = 1,
     .rejected = "-2",
     .keeps = true,
     .tried = {"-2", "", ""},
     .compiles = {2, 0, 0},
     .status = FI_ERROR_DRIVER},
    {.name = "likewise of one compiler",
     .rejected = "-",
     .keeps = true,
     .tried = {"-", "", ""},
     .compiles = {1, 0, 0},
     .status = FI_ERROR_DRIVER},
};

static void expect_generation(size_t i, int process, const char *directory) {
  fakes_reset();
  fakes.older_compilers = generations[i].older_compilers;
  fakes.rejected = generations[i].rejected;
  fi_ctx *ctx = make_context(directory);
  for (int again = 0; again < 2; again++)
    cr_expect_eq(get(ctx, "merge"), generations[i].status, "%s: %s", generations[i].name, fi_last_error());
  cr_expect_str_eq(fakes.marks, generations[i].tried[process], "%s, process %d: %s", generations[i].name, process,
                   fakes.marks);
  cr_expect_eq(fakes.compiles, generations[i].compiles[process], "%s, process %d: %u", generations[i].name, process,
               (unsigned)fakes.compiles);
  if (generations[i].status)
    expect_in_error("the driver, of CUDA 13.0, refuses what the compiler nv");
  fi_ctx_destroy(ctx);
}

Test(refused, what_is_fresh_is_not_made_again_and_again) {
  for (size_t i = 0; i < sizeof generations / sizeof *generations; i++) {
    char *directory = make_directory();
    for (int process = 0; process < 3; process++)
      expect_generation(i, process, generations[i].keeps ? directory : NULL);
    remove_directory(directory);
  }
}

/* In one process no second kernel is made by a compiler whose first was refused. */
Test(refused, the_compiler_that_works_is_the_first_one_from_then_on) {
  fakes.older_compilers = 1;
  fakes.rejected = "-";
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(get(ctx, "merge"), FI_OK, "%s", fi_last_error());
  cr_expect_eq(get(ctx, "merge hd=64"), FI_OK, "%s", fi_last_error());
  cr_expect_str_eq(fakes.marks, "-22", "%s", fakes.marks);
  fi_ctx_destroy(ctx);
}

/* Where nothing may be compiled, the refusal of the past is the reason. */
Test(refused, load_only_tells_of_a_refusal_that_is_kept) {
  char *directory = make_directory();
  for (int process = 0; process < 2; process++) {
    fakes_reset();
    fakes.rejected = "-";
    fi_ctx *ctx =
        make_context_with((fi_options){.cache_dir = directory, .mode = process == 0 ? FI_MODE_ON : FI_MODE_LOAD_ONLY});
    cr_expect_eq(get(ctx, "merge"), process == 0 ? FI_ERROR_DRIVER : FI_ERROR_NOT_CACHED);
    cr_expect_str_eq(fakes.marks, process == 0 ? "-" : "", "%s", fakes.marks);
    if (process == 1)
      expect_in_error("this driver did not load it when it was compiled");
    fi_ctx_destroy(ctx);
  }
  remove_directory(directory);
}

/* Another driver has another opinion. */
Test(refused, a_new_driver_is_asked_again) {
  char *directory = make_directory();
  static const struct {
    uint32_t version;
    const char *rejected;
    const char *tried;
    fi_status status;
  } drivers[] = {{12080, "-", "-", FI_ERROR_DRIVER}, {12080, "-", "", FI_ERROR_DRIVER}, {13000, NULL, "-", FI_OK}};
  for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
    fakes_reset();
    fakes.version = drivers[i].version;
    fakes.rejected = drivers[i].rejected;
    fi_ctx *ctx = make_context(directory);
    cr_expect_eq(get(ctx, "merge"), drivers[i].status, "%zu: %s", i, fi_last_error());
    cr_expect_str_eq(fakes.marks, drivers[i].tried, "%zu: %s", i, fakes.marks);
    cr_expect_eq(fakes.compiles, i == 0, "%zu", i);
    fi_ctx_destroy(ctx);
  }
  remove_directory(directory);
}

/* libnvrtc opens, and its builtins do not. */
Test(refused, a_compiler_without_its_builtins_makes_way_for_the_next) {
  const fi_spec spec = spec_of("merge");
  for (uint32_t older = 0; older < 2; older++) {
    char *directory = make_directory();
    fakes_reset();
    fakes.no_builtins = true;
    fakes.older_compilers = older;
    fi_ctx *ctx = make_context(NULL);
    cr_expect_eq(get(ctx, "merge"), older ? FI_OK : FI_ERROR_NO_COMPILER, "%s", fi_last_error());
    cr_expect_eq(get(ctx, "merge hd=64"), older ? FI_OK : FI_ERROR_NO_COMPILER, "%s", fi_last_error());
    cr_expect_eq(fakes.compiles, older ? 3 : 2, "%u", (unsigned)fakes.compiles);
    if (!older)
      expect_in_error("lacks its builtins");
    fi_ctx_destroy(ctx);
    ctx = make_context(directory);
    cr_expect_eq(fi_precompile(ctx, &spec, NULL), older ? FI_OK : FI_ERROR_NO_COMPILER, "%s", fi_last_error());
    if (!older)
      expect_in_error("lacks its builtins; and there is no other compiler: ");
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}
