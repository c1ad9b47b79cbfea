/* What doctor, cache stats and explain say of a server that is well. Needs NVRTC, no GPU. */
#include "command.h"
#include "files.h"

#include "cache/curl.h"
#include "server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct output output;
static struct server server;
static char environment[128];

static void begin(void) {
  struct cache_reason reason = {""};
  if (!curl_open(&reason))
    cr_skip_test("skipped: %s (Debian's package libcurl4)", reason.text);
  server_start(&server);
  snprintf(environment, sizeof environment, "no_proxy=* FLASHJIT_DRIVER=sim FLASHJIT_HTTP_URL=http://127.0.0.1:%u/v1",
           server.port);
}

static void end(void) {
  if (server.port)
    server_stop(&server);
}

TestSuite(http_server, .init = begin, .fini = end);

static void expect_answer(const char *arguments, const char *before, const char *after) {
  char line[256];
  command_in(&output, environment, arguments);
  expect_code(&output, 0);
  snprintf(line, sizeof line, "%shttp://127.0.0.1:%u/v1%s", before, server.port, after);
  expect_text(output.out, line);
}

Test(http_server, is_told_of) {
  expect_answer("doctor", "fine     http        ", " answers\n");
  expect_answer("cache stats", "http        ", " answers\n");
  expect_answer("cache stats --json", "\"url\": \"", "\",\n    \"used\": true,\n    \"answers\": true");
  expect_answer("explain merge", "http     ", " answers\n         asked before a compile");
  expect_answer("explain merge --json", "\"url\": \"", "\",\n    \"used\": true,\n    \"answers\": true");
}

Test(http_server, serves_what_one_machine_has_built) {
  const char *specs = scratch_file("specs", "merge\n");
  char *arguments;
  cr_assert(asprintf(&arguments, "build --specs %s --target compute_90a", specs) > 0);
  command_in(&output, environment, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "1 compiled");
  command_in(&output, environment, "cache rm --all");
  command_in(&output, environment, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "0 compiled");
  free(arguments);
}
