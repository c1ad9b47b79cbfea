/* Contexts that share kernels on a server: who compiles, what is counted and told, and who neither reads nor writes. */
#include "fakes.h"

#include "cache/curl.h"
#include "server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char attention[] = "attention group=4 rows=16 page=16";
static const char secret[] = "s3cret-t0ken";
enum { KERNELS = 2 }; /* that one and its plan */

static struct server server;
static char url[64];

struct told {
  char problem[1024]; /* the last one */
  unsigned problems;
  unsigned layers[FI_LAYER_HTTP + 1]; /* LOADED events of each */
};

static void take_event(void *user, const fi_event *event) {
  struct told *told = user;
  cr_expect(!strstr(event->message, secret), "%s", event->message);
  if (event->kind == FI_EVENT_LOADED)
    told->layers[event->layer]++;
  if (event->kind == FI_EVENT_CACHE_PROBLEM) {
    told->problems++;
    snprintf(told->problem, sizeof told->problem, "%s", event->message);
  }
}

static void begin(void) {
  struct cache_reason reason = {""};
  if (!curl_open(&reason))
    cr_skip_test("skipped: %s (Debian's package libcurl4)", reason.text);
  fakes_reset();
  unsetenv("http_proxy");
  unsetenv("all_proxy");
  setenv("FLASHJIT_HTTP_TOKEN", secret, 1);
  setenv("FLASHJIT_HTTP_TIMEOUT_MS", "500", 1);
  server_start(&server);
  snprintf(url, sizeof url, "http://127.0.0.1:%u/v", server.port);
}

static void end(void) {
  if (server.port)
    server_stop(&server);
}

TestSuite(http, .init = begin, .fini = end, .timeout = 60);

static fi_ctx *machine(const char *directory, struct told *told) {
  *told = (struct told){.problems = 0};
  return make_context_with((fi_options){.cache_dir = directory, .http_url = url, .on_event = take_event, .user = told});
}

/* One that has no directory gets the kernel in so many compiles, and tells nothing. */
static void expect_compiles(unsigned compiles) {
  struct told told;
  fi_ctx *ctx = machine("", &told);
  const unsigned before = fakes.compiles;
  kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles - before, compiles, "%u compiles", fakes.compiles - before);
  cr_expect_eq(counters_of(ctx).http_hits, KERNELS - compiles);
  cr_expect_eq(told.problems, 0, "%s", told.problem);
  fi_ctx_destroy(ctx);
}

Test(http, a_fleet_compiles_once) {
  struct told told;
  fi_facts facts = {.struct_size = sizeof facts};
  char *first = make_directory();
  char *second = make_directory();
  fi_ctx *ctx = machine(first, &told);
  kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles, KERNELS);
  cr_expect_eq(counters_of(ctx).http_hits, 0);
  cr_expect_eq(told.problems, 0, "%s", told.problem);
  cr_expect_eq(server.requests, 2 * KERNELS, "a GET and a PUT each, and no more: %u", server.requests);
  fi_ctx_destroy(ctx);

  ctx = machine(second, &told);
  cr_expect_eq(fi_kernel_facts(kernel_of(ctx, attention), &facts), FI_OK);
  cr_expect_eq(fakes.compiles, KERNELS);
  cr_expect_eq(facts.layer, FI_LAYER_HTTP);
  cr_expect_eq(counters_of(ctx).http_hits, KERNELS);
  cr_expect_eq(told.layers[FI_LAYER_HTTP], KERNELS);
  cr_expect_eq(server.requests, 3 * KERNELS, "what was read is not written: %u", server.requests);
  fi_ctx_destroy(ctx);

  /* What came from the server is in the directory now. */
  ctx = machine(second, &told);
  kernel_of(ctx, attention);
  cr_expect_eq(counters_of(ctx).user_hits, KERNELS);
  cr_expect_eq(server.requests, 3 * KERNELS);
  fi_ctx_destroy(ctx);
  remove_directory(first);
  remove_directory(second);
}

Test(http, precompiled_kernels_are_shared_and_kept_without_a_directory) {
  struct told told;
  fi_facts facts = {.struct_size = sizeof facts};
  const fi_spec spec = spec_of(attention);
  fi_ctx *ctx = machine("", &told);
  cr_expect_eq(fi_precompile(ctx, &spec, &facts), FI_OK, "%s", fi_last_error());
  cr_expect_eq(facts.layer, FI_LAYER_COMPILED);
  fi_ctx_destroy(ctx);
  ctx = machine("", &told);
  cr_expect_eq(fi_precompile(ctx, &spec, &facts), FI_OK, "%s", fi_last_error());
  cr_expect_eq(facts.layer, FI_LAYER_HTTP);
  cr_expect_eq(fakes.compiles, KERNELS);
  fi_ctx_destroy(ctx);
  expect_compiles(0);
}

Test(http, another_compiler_makes_its_own) {
  expect_compiles(KERNELS);
  fakes.toolchain = "nv2.0-00000001";
  expect_compiles(KERNELS);
  expect_compiles(0);
  fakes.toolchain = "nv1.0-00000001";
  expect_compiles(0);
}

/* -------------------------------------------------------------------------------- what goes wrong */

/* How many kernels the server has. */
static unsigned objects(void) {
  unsigned count = 0;
  while (count < SERVER_KEPT && server.kept[count].bytes)
    count++;
  return count;
}

Test(http, a_broken_server_costs_compiles_and_is_told) {
  static const char broken[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
  struct told told;
  server.answer = (struct server_answer){.bytes = broken, .size = sizeof broken - 1};
  fi_ctx *ctx = machine("", &told);
  kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles, KERNELS);
  cr_expect_eq(told.problems, 2 * KERNELS);
  cr_expect_eq(counters_of(ctx).cache_problems, 2 * KERNELS);
  cr_expect(strstr(told.problem, "the answer is 500") && strstr(told.problem, url), "%s", told.problem);
  fi_ctx_destroy(ctx);
}

/* An undamaged entry that the driver refuses is compiled again. What a driver refuses is no matter of other machines.
 */
Test(http, what_the_driver_refuses) {
  struct told told;
  fakes.mark = 'x';
  expect_compiles(KERNELS);
  fakes.mark = 'y';
  fakes.rejected = "x";
  fi_ctx *ctx = machine("", &told);
  kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles, 2 * KERNELS);
  cr_expect(strstr(told.problem, "the driver refused http://127.0.0.1"), "%s", told.problem);
  fi_ctx_destroy(ctx);
  expect_compiles(0);

  fakes.toolchain = "nv2.0-00000001";
  fakes.rejected = "y";
  const unsigned before = objects();
  ctx = machine("", &told);
  cr_expect_eq(get(ctx, attention), FI_ERROR_DRIVER);
  cr_expect_eq(objects(), before, "a refused image was sent");
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- who does not take part */

Test(http, nothing_is_fetched_where_nothing_may_be_compiled) {
  struct told told;
  expect_compiles(KERNELS);
  const unsigned before = server.requests;
  fi_ctx *ctx = machine("", &told);
  cr_assert_eq(fi_ctx_set_mode(ctx, FI_MODE_LOAD_ONLY), FI_OK);
  cr_expect_eq(get(ctx, attention), FI_ERROR_NOT_CACHED);
  cr_expect_eq(server.requests, before);
  fi_ctx_destroy(ctx);
  fakes.no_compiler = true;
  ctx = machine("", &told);
  cr_expect_eq(get(ctx, attention), FI_ERROR_NO_COMPILER);
  cr_expect_eq(server.requests, before);
  fi_ctx_destroy(ctx);
}

Test(http, a_context_that_asks_for_signatures_leaves_the_server_alone) {
  struct told told = {.problems = 0};
  expect_compiles(KERNELS);
  const unsigned before = server.requests;
  const fi_options options = {.http_url = url,
                              .bundle_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                              .on_event = take_event,
                              .user = &told};
  fi_ctx *ctx = make_context_with(options);
  cr_expect_eq(told.problems, 1);
  cr_expect(strstr(told.problem, "bundle_key"), "%s", told.problem);
  kernel_of(ctx, attention);
  cr_expect_eq(fakes.compiles, 2 * KERNELS);
  cr_expect_eq(server.requests, before);
  fi_ctx_destroy(ctx);
}

Test(http, the_variable_names_a_server_and_the_empty_option_none) {
  setenv("FLASHJIT_HTTP_URL", url, 1);
  fi_ctx *ctx = make_context_with((fi_options){.http_url = ""});
  kernel_of(ctx, attention);
  cr_expect_eq(server.requests, 0);
  fi_ctx_destroy(ctx);
  ctx = make_context(NULL);
  kernel_of(ctx, attention);
  cr_expect_eq(server.requests, 2 * KERNELS);
  fi_ctx_destroy(ctx);
}

static void expect_refused(const char *address, const char *text) {
  const fi_options options = {.struct_size = sizeof options, .cache_dir = "", .http_url = address};
  fi_ctx *ctx;
  cr_expect_eq(fi_ctx_create(&options, &ctx), FI_ERROR_ARGUMENT, "%s", address);
  cr_expect(strstr(fi_last_error(), text), "%s", fi_last_error());
}

Test(http, urls_and_tokens_that_are_none) {
  expect_refused("cache.local", "options.http_url (FLASHJIT_HTTP_URL) is not allowed");
  expect_refused("http://user:password@cache.local", "no user, password");
  cr_expect(!strstr(fi_last_error(), "user:password"), "%s", fi_last_error());
  setenv("FLASHJIT_HTTP_TOKEN", "two words", 1);
  expect_refused(url, "FLASHJIT_HTTP_TOKEN is not allowed");
  cr_expect(!strstr(fi_last_error(), "two words"), "%s", fi_last_error());
}
