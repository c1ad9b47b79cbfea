/* Documents: every command that prints data has --json, or bench -o json, whose document names its schema. Needs NVRTC,
 * no GPU. */
#include "command.h"

#include "files.h"
#include "tools/flashjit/command_list.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;

TestSuite(documents, .init = use_simulator);

/* A call of each command; in this order each finds what it needs. FILE is a bundle, SPECS lists specs. */
static const struct {
  const char *command;
  const char *arguments;
} calls[] = {
    {"run", "--json --model " MODEL("Qwen3-0.6B") " --lengths 5:1"},
    {"bench", "-o json attention --batch 1q1s16 --repeat 1"},
    {"specs", "--json --model " MODEL("Qwen3-0.6B")},
    {"show", "--json merge"},
    {"explain", "--json merge"},
    {"doctor", "--json"},
    {"build", "--json --target compute_90a --specs SPECS"},
    {"verify", "--json"},
    {"bundle create", "--json FILE --target compute_90a --specs SPECS"},
    {"bundle ls", "--json FILE"},
    {"bundle verify", "--json FILE"},
    {"bundle install", "--json FILE"},
    {"cache path", "--json"},
    {"cache ls", "--json"},
    {"cache stats", "--json"},
    {"cache verify", "--json"},
    {"cache prune", "--json --days 1"},
    {"cache rm", "--json --all"},
};

/* What they print is no data: a program for a shell, and a page for man. */
static bool prints_text(const char *name) {
  return strcmp(name, "completion") == 0 || strcmp(name, "manual") == 0;
}

static bool is_called(const char *name) {
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (strcmp(calls[i].command, name) == 0)
      return true;
  }
  return false;
}

Test(documents, every_command_is_called_here) {
  for (const struct cli_command *const *command = command_list; *command; command++)
    cr_expect(is_called((*command)->name) != prints_text((*command)->name), "%s", (*command)->name);
}

static void replace(char *text, const char *word, const char *by) {
  char after[512];
  char *at = strstr(text, word);
  if (!at)
    return;
  snprintf(after, sizeof after, "%s", at + strlen(word));
  sprintf(at, "%s%s", by, after);
}

static void expect_document(const char *name) {
  char schema[64];
  snprintf(schema, sizeof schema, "flashjit.%s", name);
  for (char *at = schema; *at; at++)
    *at = *at == ' ' ? '.' : *at;
  json_t *document = json_loads(output.out, 0, NULL);
  cr_assert(document, "%s prints something else on stdout:\n%s", name, output.out);
  cr_expect_str_eq(json_string_value(json_object_get(document, "schema")), schema);
  cr_expect_eq(json_integer_value(json_object_get(document, "schema_version")), 1);
  json_decref(document);
  cr_expect_null(strchr(output.out, '\033'), "%s", output.out);
  cr_expect_null(strchr(output.err, '\033'), "%s", output.err);
}

Test(documents, all_name_their_schema) {
  char bundle[128];
  snprintf(bundle, sizeof bundle, "%s/kernels.fib", scratch_folder());
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "%s %s", calls[i].command, calls[i].arguments);
    replace(arguments, "FILE", bundle);
    replace(arguments, "SPECS", scratch_file("specs", "merge hd=64\n"));
    command(&output, arguments);
    expect_code(&output, 0);
    expect_document(calls[i].command);
  }
}

/* What the command shows on a terminal of a kind, which script(1) makes. */
static void show(const char *terminal, char *text, size_t size) {
  char line[1024], path[128];
  snprintf(path, sizeof path, "%s/shown", scratch_folder());
  snprintf(line, sizeof line, "TERM=%s script -qec '" FLASHJIT_COMMAND " build --target compute_90a --specs %s' %s >%s",
           terminal, scratch_file("specs", "merge hd=64\nmerge hd=72\n"), "/dev/null", path);
  cr_assert_eq(system(line), 0, "%s", line);
  FILE *file = fopen(path, "r");
  cr_assert(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  fclose(file);
}

Test(documents, progress_is_for_terminals) {
  static char shown[1 << 14];
  command(&output, "cache path"); /* which names the cache of these tests */
  show("xterm", shown, sizeof shown);
  expect_text(shown, "\033[K[###############---------------] 1/2, 0 failed, 0:0");
  expect_text(shown, " left  merge hd=");
  cr_expect_null(strstr(shown, "\033[3"), "a colour");
  show("dumb", shown, sizeof shown);
  expect_text(shown, "[1/2] cached: merge hd=");
  cr_expect_null(strchr(shown, '\033'), "%s", shown);
}
