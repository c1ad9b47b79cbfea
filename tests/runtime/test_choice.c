/* A tile that spills makes way for the next, and the cache knows which one it was. */
#include "fakes.h"

#include "generator/spec.h"
#include "generator/tile_choice.h"
#include "runtime/build.h"
#include "runtime/kernel.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(choice, .init = fakes_reset);

static const char text[] = "attention hd=256 group=8 rows=64";

static fi_status tile_of(uint32_t choice, struct tile *tile) {
  const fi_spec spec = spec_of(text);
  fi_spec canonical;
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  return tile_plan(&canonical, target_find("compute_90a"), choice, tile);
}

enum { LOG_SIZE = 8192 };

static uint32_t count_choices(void) {
  struct tile tile;
  uint32_t count = 0;
  while (tile_of(count, &tile) == FI_OK)
    count++;
  return count;
}

/* The choices whose compiles began and ended, as "0:7 1:0 ". */
static void note_compile(void *user, const fi_event *event) {
  char *log = user;
  const size_t used = strlen(log);
  if (event->kind == FI_EVENT_COMPILE_BEGIN && strncmp(event->spec, "plan", 4) != 0)
    snprintf(log + used, LOG_SIZE - used, "%u:", event->choice);
  if (event->kind == FI_EVENT_COMPILE_END && strncmp(event->spec, "plan", 4) != 0)
    snprintf(log + used, LOG_SIZE - used, "%d ", event->status);
}

static fi_facts facts_of(fi_ctx *ctx) {
  fi_facts facts = {.struct_size = sizeof facts};
  cr_assert_eq(fi_kernel_facts(kernel_of(ctx, text), &facts), FI_OK);
  return facts;
}

static void expect_choice(fi_ctx *ctx, uint32_t choice) {
  struct tile tile;
  cr_assert_eq(get(ctx, text), FI_OK, "choice %u: %s", choice, fi_last_error());
  cr_assert_eq(tile_of(choice, &tile), FI_OK);
  cr_expect_eq(facts_of(ctx).choice, choice);
  cr_expect_eq(facts_of(ctx).dynamic_shared, tile.shared_bytes);
  cr_expect_eq(memcmp(&kernel_of(ctx, text)->tile, &tile, sizeof tile), 0, "choice %u: another tile", choice);
}

Test(choice, the_first_that_does_not_spill_is_taken_and_known_again) {
  const uint32_t choices = count_choices();
  char expected[LOG_SIZE] = "";
  for (uint32_t choice = 0; choice < choices; choice++) {
    char *directory = make_directory();
    char log[LOG_SIZE] = "";
    fakes_reset();
    fakes.spills = choice;
    fi_ctx *ctx = make_context_with((fi_options){.cache_dir = directory, .on_event = note_compile, .user = log});
    expect_choice(ctx, choice);
    cr_expect_eq(fakes.compiles, choice + 2, "choice %u: %u", choice, (unsigned)fakes.compiles);
    const size_t used = strlen(expected);
    snprintf(expected + used, sizeof expected - used, "%u:0 ", choice);
    cr_expect_str_eq(log, expected);
    snprintf(expected + used, sizeof expected - used, "%u:%d ", choice, FI_ERROR_COMPILE);
    fi_ctx_destroy(ctx);

    fakes_reset();
    ctx = make_context_with((fi_options){.cache_dir = directory, .mode = FI_MODE_LOAD_ONLY});
    expect_choice(ctx, choice);
    cr_expect_eq(fakes.compiles, 0);
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}

/* It is compiled again, and the cache has it. */
Test(choice, when_all_spill_that_of_the_fewest_bytes_is_taken) {
  const uint32_t choices = count_choices();
  char *directory = make_directory();
  cr_assert_geq(choices, 4);
  fakes.spills = UINT32_MAX;
  fakes.fewest = 3;
  fi_ctx *ctx = make_context(directory);
  expect_choice(ctx, 2);
  cr_expect_eq(facts_of(ctx).spill_bytes, 4);
  cr_expect_eq(fakes.compiles, choices + 2);
  fi_ctx_destroy(ctx);

  fakes_reset();
  ctx = make_context_with((fi_options){.cache_dir = directory, .mode = FI_MODE_LOAD_ONLY});
  expect_choice(ctx, 2);
  cr_expect_eq(facts_of(ctx).spill_bytes, 4);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

Test(choice, when_all_are_unfit_the_kernel_fails_once) {
  const uint32_t choices = count_choices();
  fi_ctx *ctx = make_context(NULL);
  fakes.spills = UINT32_MAX;
  fakes.spill_log = "ptxas info    : (C7510) Potential Performance Loss: wgmma is serialized\n";
  for (int again = 0; again < 2; again++) {
    cr_expect_eq(get(ctx, text), FI_ERROR_COMPILE);
    cr_expect(strstr(fi_last_error(), "serialised"), "%s", fi_last_error());
  }
  cr_expect_eq(fakes.compiles, choices + 1);
  fi_ctx_destroy(ctx);
}

/* A source that is wrong is wrong with every tile. */
Test(choice, another_failure_ends_it) {
  fi_ctx *ctx = make_context(NULL);
  cr_expect_eq(get(ctx, "plan"), FI_OK);
  fakes.compile_status = FI_ERROR_COMPILE;
  cr_expect_eq(get(ctx, text), FI_ERROR_COMPILE);
  cr_expect_eq(fakes.compiles, 3, "the other plan kernel is of such a source, too");
  fi_ctx_destroy(ctx);
}

/* Writes the kernel's entry again, as one whose choice has another source in this library. */
static void make_stale(const char *directory, uint32_t choice) {
  const struct cache_config config = {.user = directory};
  const fi_spec spec = spec_of(text);
  fi_spec canonical;
  struct build build;
  struct cache_reason reason;
  struct cache_found found;
  fi_ctx *ctx = make_context(NULL);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(build_begin(&build, ctx, &canonical, UINT32_MAX), FI_OK);
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
  cr_assert(cache_store_find(store, &build.key, NULL, &found, &reason), "%s", reason.text);
  struct cache_entry entry = found.entry;
  entry.choice = choice;
  entry.variant = build.key;
  cr_assert(cache_store_publish(store, &entry, &reason), "%s", reason.text);
  cache_found_free(&found);
  cache_store_close(store);
  build_end(&build);
  fi_ctx_destroy(ctx);
}

Test(choice, an_entry_whose_number_means_another_tile_is_not_used) {
  const uint32_t choices[] = {1, 1000000};
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    char *directory = make_directory();
    fakes_reset();
    fi_ctx *ctx = make_context(directory);
    cr_expect_eq(get(ctx, text), FI_OK, "%s", fi_last_error());
    fi_ctx_destroy(ctx);
    make_stale(directory, choices[i]);
    fakes_reset();
    ctx = make_context(directory);
    expect_choice(ctx, 0);
    cr_expect_eq(fakes.compiles, 1);
    fi_ctx_destroy(ctx);
    remove_directory(directory);
  }
}
