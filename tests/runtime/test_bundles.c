/* Contexts with bundles: kernels without compiler and without a directory, counted and told as what they are. */
#include "fakes.h"

#include "cache/bundle_make.h"
#include "generator/spec.h"
#include "runtime/build.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(bundles, .init = fakes_reset);

static const char attention[] = "attention group=4 rows=16 page=16";
enum { MOST_ENTRIES = 4 };

struct bundle {
  unsigned char *bytes;
  size_t size;
};

/* Finds what the directory has of a spec. */
static struct build found_build(fi_ctx *ctx, const char *text) {
  static fi_spec canonical[MOST_ENTRIES];
  static unsigned count;
  struct build build;
  fi_spec *spec = &canonical[count++ % MOST_ENTRIES];
  const fi_spec given = spec_of(text);
  cr_assert_eq(spec_canonical(&given, spec), FI_OK);
  cr_assert_eq(build_begin(&build, ctx, spec, UINT32_MAX), FI_OK);
  cr_assert(build_find(&build), "%s", text);
  return build;
}

/* Of the attention kernel and its plan, compiled by the fakes. */
static struct bundle make_bundle(void) {
  char *directory = make_directory();
  fi_ctx *ctx = make_context(directory);
  struct bundle bundle;
  struct cache_reason reason = {""};
  kernel_of(ctx, attention);
  struct build builds[] = {found_build(ctx, attention), found_build(ctx, "plan")};
  const struct cache_entry entries[] = {builds[0].entry, builds[1].entry};
  cr_assert(cache_bundle_make(entries, 2, NULL, &bundle.bytes, &bundle.size, &reason), "%s", reason.text);
  build_end(&builds[0]);
  build_end(&builds[1]);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
  fakes_reset();
  return bundle;
}

static void expect_served(fi_ctx *ctx) {
  fi_facts facts = {.struct_size = sizeof facts};
  fi_kernel *kernel = kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles, 0);
  cr_expect_eq(counters_of(ctx).bundle_hits, 2);
  cr_expect_eq(counters_of(ctx).read_only_hits, 0);
  cr_expect_eq(counters_of(ctx).user_hits, 0);
  cr_expect_eq(counters_of(ctx).cache_problems, 0);
  cr_expect_eq(fi_kernel_facts(kernel, &facts), FI_OK);
  cr_expect_eq(facts.layer, FI_LAYER_BUNDLE);
  fi_ctx_destroy(ctx);
}

Test(bundles, from_memory_without_compiler_and_directory) {
  const struct bundle bundle = make_bundle();
  fakes.no_compiler = true;
  expect_served(make_context_with((fi_options){.bundle = bundle.bytes, .bundle_bytes = bundle.size}));
  expect_served(
      make_context_with((fi_options){.bundle = bundle.bytes, .bundle_bytes = bundle.size, .mode = FI_MODE_LOAD_ONLY}));
  free(bundle.bytes);
}

Test(bundles, from_a_file) {
  const struct bundle bundle = make_bundle();
  char *directory = make_directory();
  char path[256];
  snprintf(path, sizeof path, "%s/llama.bundle", directory);
  FILE *file = fopen(path, "wb");
  cr_assert(file && fwrite(bundle.bytes, 1, bundle.size, file) == bundle.size && fclose(file) == 0);
  expect_served(make_context_with((fi_options){.bundles = path}));
  setenv("FLASHJIT_BUNDLES", path, 1);
  expect_served(make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY}));
  unsetenv("FLASHJIT_BUNDLES");
  remove_directory(directory);
  free(bundle.bytes);
}

/* -------------------------------------------------------------------------------- refused */

static void take_message(void *user, const fi_event *event) {
  if (event->kind == FI_EVENT_CACHE_PROBLEM)
    snprintf(user, 512, "%s", event->message);
}

/* What is refused costs a compile and is told; where nothing may compile, the error names the bundle. */
Test(bundles, a_key_refuses_unsigned_ones) {
  const struct bundle bundle = make_bundle();
  char message[512] = "";
  fi_options options = {.bundle = bundle.bytes,
                        .bundle_bytes = bundle.size,
                        .bundle_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                        .on_event = take_message,
                        .user = message};
  fi_ctx *ctx = make_context_with(options);
  cr_expect(strstr(message, "not signed"), "%s", message);
  kernel_of(ctx, attention);
  cr_expect_eq(counters_of(ctx).bundle_hits, 0);
  cr_expect_eq(fakes.compiles, 2);
  fi_ctx_destroy(ctx);

  options.mode = FI_MODE_LOAD_ONLY;
  ctx = make_context_with(options);
  cr_expect_eq(get(ctx, attention), FI_ERROR_NOT_CACHED);
  cr_expect(strstr(fi_last_error(), "the bundle in memory"), "%s", fi_last_error());
  fi_ctx_destroy(ctx);
  free(bundle.bytes);
}

Test(bundles, a_key_that_is_none) {
  static const char *const keys[] = {"", "none", "d75a"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const fi_options options = {.struct_size = sizeof options, .cache_dir = "", .bundle_key = keys[i]};
    fi_ctx *ctx;
    cr_expect_eq(fi_ctx_create(&options, &ctx), FI_ERROR_ARGUMENT);
    cr_expect(strstr(fi_last_error(), "64 hex digits"), "%s", fi_last_error());
  }
}
