/* The command line: help, version, and mistakes. */
#include "command.h"

#include "flashjit.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct output output;

Test(options, help) {
  static const char *const commands[] = {"run", "build", "specs", "show"};
  command(&output, "--help");
  expect_code(&output, 0);
  for (int i = 0; i < 4; i++) {
    expect_text(output.out, commands[i]);
    char arguments[32];
    char usage[64];
    snprintf(arguments, sizeof arguments, "%s --help", commands[i]);
    snprintf(usage, sizeof usage, "usage: flashjit %s", commands[i]);
    static struct output help;
    command(&help, arguments);
    expect_code(&help, 0);
    expect_text(help.out, usage);
    cr_expect_str_empty(help.err);
  }
}

Test(options, version) {
  char text[32];
  snprintf(text, sizeof text, "flashjit %d.%d.%d\n", FLASHJIT_VERSION_MAJOR, FLASHJIT_VERSION_MINOR,
           FLASHJIT_VERSION_PATCH);
  command(&output, "--version");
  expect_code(&output, 0);
  expect_text(output.out, text);
  expect_text(output.out, "nvrtc");
  expect_text(output.out, "driver");
}

Test(options, mistakes) {
  static const char *const mistakes[][2] = {
      {"", "a command is missing"},
      {"fly", "no command \"fly\""},
      {"run --wings", "unknown option --wings"},
      {"run", "--model is missing"},
      {"run --model", "option --model needs a value"},
      {"run --model x y", "unexpected argument \"y\""},
      {"run --model x --requests 0", "--requests is \"0\"; allowed are 1 to"},
      {"run --model x --repeat many", "--repeat is \"many\""},
      {"run --model x --trace a --lengths 1:1", "give either --trace or --lengths"},
      {"run --model x --kv-dtype f32",
       "--kv-dtype is \"f32\"; allowed are auto, f16, bf16, e4m3, e5m2, int8, int4, nvfp4, groups"},
      {"run --model x --page-size 99999999", "--page-size is \"99999999\"; allowed are 0 to "},
      {"specs --model x --tp 0", "--tp is \"0\"; allowed are 1 to"},
      {"build --model x --set y", "--set is \"y\", not FIELD=VALUE"},
      {"specs --all --json", "--json goes with --model"},
      {"run --model x --target sm_1", "--target: target is sm_1; allowed: sm_80"},
      {"run --model x --lengths 5", "--lengths: \"5\" is not PROMPT:GENERATED,... in tokens"},
      {"run --model x --lengths 5:1,0:4", "--lengths: \"0:4\" is not"},
      {"specs --all --target sm_1", "--target: target is sm_1; allowed: sm_80"},
      {"specs", "give either --model or --all"},
      {"specs --all --model x", "give either --model or --all"},
      {"specs --model x --op plan", "--op goes with --all"},
      {"specs --all --op sing", "--op is \"sing\""},
      {"specs -x", "unknown option -x"},
      {"show", "the spec is missing"},
      {"show attention hd=100", "hd"},
      {"show dance", "dance"},
      {"build", "give either --specs or --model"},
      {"build --specs y --model x", "give either --specs or --model"},
      {"build --specs - -j 0", "--jobs is \"0\""},
      {"build --model x --target sm_90a,sm_1", "--target: target is sm_1; allowed: sm_80"},
      {"build --specs - --target sm_90a,sm_80", "--specs - goes with one target"},
  };
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    command(&output, mistakes[i][0]);
    cr_expect_eq(output.code, 2, "%s: exit code %d", mistakes[i][0], output.code);
    expect_text(output.err, mistakes[i][1]);
    expect_text(output.err, "--help'");
    cr_expect_str_empty(output.out);
  }
}

Test(options, unreadable_files) {
  static const char *const commands[][2] = {
      {"run --model /no/model", "/no/model"},
      {"run --model " MODEL("Qwen3-0.6B") " --trace /no/trace", "/no/trace: No such file"},
      {"run --model " MODEL("Qwen3-0.6B") " --trace " MODEL("Qwen3-0.6B"), "Qwen3-0.6B.json:1: column"},
      {"specs --model " TRACE("azure-2023-conv.csv"), "azure-2023-conv.csv:1:"},
      {"build --target sm_90a --specs /no/specs", "/no/specs: No such file"},
  };
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    command(&output, commands[i][0]);
    expect_code(&output, 1);
    expect_text(output.err, commands[i][1]);
  }
}
