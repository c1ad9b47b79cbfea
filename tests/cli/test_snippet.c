/* The option --snippet of all commands. */
#include "command.h"

#include "files.h"

#include "flashjit.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;

static const char cap[] = "/* The marked text. */\n"
                          "float logit(struct fi_score at, const void *params) {\n"
                          "  return 30 * tanhf(at.score / 30);\n"
                          "}\n"
                          "\n"
                          "float weight(struct fi_score at, const void *params) {\n"
                          "  return 1 / (1 + expf(-at.score));\n"
                          "}\n";

/* Runs a command with --snippet and the path of a text, after what comes before the path. */
static void command_with(const char *text, const char *before, const char *after) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "%s --snippet %s%s", after, before, scratch_file("snippet", text));
  command(&output, arguments);
}

/* The word of a spec with this text. */
static const char *word_of(const char *kind, const char *text) {
  static char word[64];
  uint64_t hash;
  cr_assert_eq(fi_register_snippet(text, &hash), FI_OK);
  snprintf(word, sizeof word, "snippet=%s:%016" PRIx64, kind, hash);
  return word;
}

Test(snippet, show) {
  command_with(cap, "", "show attention group=4 snippet=logit");
  expect_code(&output, 0);
  expect_text(output.out, cap);
  char arguments[256];
  snprintf(arguments, sizeof arguments, "show attention group=4 %s", word_of("logit", cap));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "and no snippet of this hash is registered in this process");
  command_with(cap, "", arguments);
  expect_code(&output, 0);
  expect_text(output.out, cap);
  command(&output, "show attention group=4 snippet=logit");
  expect_code(&output, 1);
  expect_text(output.err, "snippet_hash is 0 with snippet logit");
}

Test(snippet, explain) {
  command_with(cap, "", "explain attention group=4 snippet=weight");
  expect_code(&output, 0);
  expect_text(output.out, word_of("weight", cap));
  command(&output, "explain attention snippet=weight:00000000deadbeef");
  expect_code(&output, 1);
  expect_text(output.err, "snippet_hash is 00000000deadbeef, and no snippet of this hash is registered");
}

/* Those of attention alone have it, with the function that the option names. */
Test(snippet, specs_of_a_model) {
  command_with(cap, "", "specs --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 0);
  expect_text(output.out, word_of("logit", cap));
  expect_text(output.out, "append page=16 rope=half\n");
  command_with(cap, "weight:", "specs --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 0);
  expect_text(output.out, word_of("weight", cap));
}

static void build(const char *specs, const char *text) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "build --target sm_90a --specs %s", scratch_file("specs", specs));
  if (text)
    command_with(text, "", arguments);
  else
    command(&output, arguments);
}

/* The text is in the entry; what is in the cache still wants it registered. */
Test(snippet, build_keeps_the_text) {
  char specs[128];
  char search[256];
  build("attention hd=64 rows=16 snippet=logit\n", cap);
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels: 2 compiled"); /* and the plan kernel */
  snprintf(search, sizeof search, "grep -rqa 'The marked text' %s/cache", scratch_folder());
  cr_expect_eq(system(search), 0);
  snprintf(specs, sizeof specs, "attention hd=64 rows=16 %s\n", word_of("logit", cap));
  build(specs, cap);
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels: 0 compiled");
  expect_text(output.out, "2 in the cache");
  build(specs, NULL);
  expect_code(&output, 1);
  expect_text(output.err, "and no snippet of this hash is registered in this process (fi_register_snippet)");
}

Test(snippet, mistakes_in_the_text_have_its_line) {
  build("attention hd=64 rows=16 snippet=logit\n",
        "\nfloat logit(struct fi_score at, const void *params) {\n  return at.scor;\n}\n");
  expect_code(&output, 1);
  expect_text(output.err, "snippet(3): error: class \"fi_score\" has no member \"scor\"");
}

Test(snippet, files_that_are_none) {
  static const struct {
    const char *arguments;
    const char *why;
  } rows[] = {
      {"/no/snippet", "/no/snippet: No such file"},
      {"weight:/no/snippet", "/no/snippet: No such file"},
      {"/dev/null", "--snippet /dev/null: text has 0 bytes; allowed: 1 to 1048576"},
      {"/dev/zero", "/dev/zero: it has a byte 0"},
      {"/tmp", "/tmp: it cannot be read"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[128];
    snprintf(arguments, sizeof arguments, "show attention snippet=logit --snippet %s", rows[i].arguments);
    command(&output, arguments);
    expect_code(&output, 2);
    expect_text(output.err, rows[i].why);
    cr_expect_str_empty(output.out);
  }
  command_with("#include <math.h>\n", "", "show attention snippet=logit");
  expect_code(&output, 2);
  expect_text(output.err, "text has #include; a snippet holds all that it needs, and reads no files");
}

Test(snippet, run_does_not_verify_it) {
  use_simulator();
  command_with(cap, "", "run --model " MODEL("Qwen3-0.6B") " --lengths 17:2 --repeat 1 --layers full_attention");
  expect_code(&output, 0);
  expect_text(output.out, "decode");
  command_with(cap, "weight:", "run --verify --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 2);
  expect_text(output.err, "give either --verify or --snippet: the reference knows nothing of the text");
}
