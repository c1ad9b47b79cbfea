/* run, bench and verify with an edited source. Needs NVRTC; runs on the simulator. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct output output;

TestSuite(source, .init = use_simulator);

#define SPEC "attention hd=32 rows=16 page=16"

/* A model of one layer, whose decode kernel this is. */
static const char model[] = "{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 32, "
                            "\"num_attention_heads\": 1, \"num_key_value_heads\": 1, \"head_dim\": 32}";

/* The generated source as sed(1) changes it, which it must. */
static const char *edit(const char *spec, const char *script) {
  char line[1024];
  const char *path = scratch_file("mine.cu", "");
  snprintf(line, sizeof line, FLASHJIT_COMMAND " show %s >%s.old && sed '%s' %s.old >%s && ! cmp -s %s %s.old", spec,
           path, script, path, path, path, path);
  cr_assert_eq(system(line), 0, "%s", line);
  return path;
}

static void with_source(const char *verb, const char *path, const char *arguments) {
  char words[1024];
  snprintf(words, sizeof words, "%s --source %s %s", verb, path, arguments);
  command(&output, words);
}

static void run_model(const char *path) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "--lengths 9:1 --verify --model %s", scratch_file("model.json", model));
  with_source("run", path, arguments);
}

Test(source, is_run_in_place_of_the_generated_one) {
  run_model(edit("attention hd=32 rows=16 page=16 rope=half", "s/kSlack = 8;/kSlack = 4;/"));
  expect_code(&output, 0);
  expect_text(output.out, "attention hd=32 rows=16 page=16 rope=half");
  expect_text(output.out, "edited, compiled");
  run_model(edit("attention hd=32 rows=16 page=16 rope=half", "s/kCausal = true;/kCausal = false;/"));
  expect_text(output.out, "edited, compiled");
}

/* What is wrong with the text is told with the lines of the file. */
Test(source, mistakes_have_the_lines_of_the_file) {
  const char *path = edit("merge hd=64", "s/struct fi_merge_args {/& oops;/");
  char place[256], environment[256];
  snprintf(place, sizeof place, "%s(3): error: ", path);
  snprintf(environment, sizeof environment, "FLASHJIT_SOURCE=%s", path);
  command_in(&output, environment, "verify merge hd=64");
  expect_code(&output, 1);
  expect_text(output.err, place);
  command_in(&output, environment, "verify merge hd=72");
  expect_code(&output, 0);
}

Test(source, one_that_nothing_runs_is_told) {
  const char *path = edit("merge hd=64", "2s/$/ /");
  run_model(path);
  expect_code(&output, 1);
  expect_text(output.err, "mine.cu: none of these kernels has the spec that its first line names");
  with_source("bench", path, SPEC " --batch 1q1s16");
  expect_code(&output, 2);
  expect_text(output.err, "mine.cu: no case has the spec that its first line names");
  with_source("bench", "/no/mine.cu", SPEC " --batch 1q1s16");
  expect_code(&output, 1);
  expect_text(output.err, "/no/mine.cu: No such file");
  with_source("run", "/no/mine.cu", "--lengths 9:1 --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 1);
  expect_text(output.err, "FLASHJIT_SOURCE: cannot read /no/mine.cu: No such file");
}

Test(source, is_timed) {
  with_source("bench", edit(SPEC, "s/kSlack = 8;/kSlack = 7;/"), "'" SPEC "' --batch 1q1s16 --repeat 1 -o json");
  expect_code(&output, 0);
  expect_text(output.out, "\"status\": \"ok\"");
}

/* Both have the same spec; the cache keeps them apart. */
Test(source, is_not_taken_for_the_generated_one) {
  char environment[256];
  snprintf(environment, sizeof environment, "FLASHJIT_SOURCE=%s", edit("merge hd=64", "2s/$/ /"));
  command_in(&output, environment, "verify merge hd=64");
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64  edited, compiled");
  command(&output, "verify");
  expect_code(&output, 1);
  expect_text(output.err, "skipped: merge hd=64: ");
  expect_text(output.out, "1 kernels: 0 right, 0 wrong, 0 failed, 1 skipped\n");
  command_in(&output, environment, "verify");
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64  edited, user");
  command_in(&output, environment, "verify --json");
  expect_text(output.out, "\"edited\": true");
}

static void explain(const char *path, const char *words) {
  char environment[256];
  snprintf(environment, sizeof environment, "FLASHJIT_HTTP_URL=http://127.0.0.1:1 FLASHJIT_SOURCE=%s", path);
  command_in(&output, environment, words);
}

/* Size, tile and options are those of the file, and its key is not the generated one's; no server is asked. */
Test(source, is_explained) {
  char line[512];
  const char *path = edit("attention group=4 rows=16 page=16", "$a // ten bytes");
  explain(path, "explain attention group=4 rows=16 page=16");
  expect_code(&output, 0);
  snprintf(line, sizeof line, "edited   %s, in place of the generated source; no server", path);
  expect_text(output.out, line);
  expect_text(output.out, "tile     128 threads");
  expect_text(output.out, "--generate-line-info");
  const char *plan = strstr(output.out, "spec     plan\n"); /* which is not edited */
  const char *http = strstr(output.out, "http ");
  cr_expect(plan && http > plan, "%s", output.out);
  struct stat facts;
  cr_assert_eq(stat(path, &facts), 0);
  snprintf(line, sizeof line, "of the source (%lld bytes, and where its file is)", (long long)facts.st_size);
  expect_text(output.out, line);
  explain(path, "explain --json attention group=4 rows=16 page=16");
  expect_text(output.out, "\"edited\": true");
  expect_text(output.out, "\"http\": null");
  explain(path, "explain attention group=4 rows=16");
  expect_code(&output, 0);
  cr_expect_null(strstr(output.out, "edited"), "%s", output.out);
  expect_text(output.out, "http     http://127.0.0.1:1 does not answer");
}

Test(source, of_another_tile_is_not_explained) {
  explain(edit("merge hd=64", "s/kThreads = 128;/kThreads = 256;/"), "explain merge hd=64");
  expect_code(&output, 1);
  expect_text(output.err, "kThreads is 256 in the edited source");
}
