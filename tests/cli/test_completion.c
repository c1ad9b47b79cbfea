/* Completions and the manual page say what the tables say. */
#include "command.h"

#include "files.h"
#include "tools/flashjit/command_list.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct output output;

/* What bash proposes for the last of these words. */
static void expect_completion(const char *words, int count, const char *expected) {
  char *line;
  char text[512] = "";
  cr_assert(asprintf(&line,
                     "bash -c 'eval \"$(%s completion bash)\" && COMP_WORDS=(%s) COMP_CWORD=%d && _flashjit && "
                     "echo \"${COMPREPLY[*]}\"' >%s/words",
                     FLASHJIT_COMMAND, words, count - 1, scratch_folder()) > 0);
  cr_assert_eq(WEXITSTATUS(system(line)), 0, "%s", line);
  free(line);
  char path[128];
  snprintf(path, sizeof path, "%s/words", scratch_folder());
  FILE *file = fopen(path, "r");
  cr_assert(file && fgets(text, sizeof text, file), "%s", words);
  fclose(file);
  cr_expect_str_eq(text, expected, "%s: %s", words, text);
}

Test(completion, in_bash) {
  expect_completion("flashjit ca", 2, "cache\n");
  expect_completion("flashjit cache ver", 3, "verify\n");
  expect_completion("flashjit cache verify --", 4, "--repair --json --help\n");
  expect_completion("flashjit bundle create x --si", 5, "--sign\n");
  expect_completion("flashjit run --tr", 3, "--trace\n");
  expect_completion("flashjit run --model x --verif", 5, "--verify\n");
  expect_completion("flashjit run some", 3, "\n");
}

static void expect_rows(const struct cli_option *rows, const char *dashes, const char *text) {
  for (; rows && rows->name; rows++) {
    char option[64];
    snprintf(option, sizeof option, "%s%s", dashes, rows->name);
    cr_expect(strstr(text, option), "%s is missing", option);
  }
}

/* A dash of an option is written so that it can be copied from the page. */
static void without_backslashes(char *text) {
  char *to = text;
  for (const char *from = text; *from; from++) {
    if (*from != '\\')
      *to++ = *from;
  }
  *to = '\0';
}

Test(completion, each_form_has_each_option) {
  static const struct {
    const char *arguments;
    const char *dashes;
  } forms[] = {{"completion bash", "--"}, {"completion zsh", "--"}, {"completion fish", "-l "}, {"manual", "--"}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    command(&output, forms[i].arguments);
    expect_code(&output, 0);
    without_backslashes(output.out);
    for (const struct cli_command *const *row = command_list; *row; row++) {
      expect_rows((*row)->options, forms[i].dashes, output.out);
      expect_rows((*row)->more_options, forms[i].dashes, output.out);
    }
  }
}

Test(completion, manual_is_well_formed) {
  char *line;
  command(&output, "manual");
  expect_text(output.out, "\n.SS bundle create\n");
  expect_text(output.out, "\n.B FLASHJIT_BUNDLES\n");
  if (system("command -v groff >/dev/null") != 0)
    return;
  cr_assert(asprintf(&line, "%s manual | groff -man -ww -Tascii 2>&1 >/dev/null | grep -q .", FLASHJIT_COMMAND) > 0);
  cr_expect_eq(WEXITSTATUS(system(line)), 1, "groff complains");
  free(line);
}

Test(completion, mistakes_are_told) {
  static const char *const rows[] = {"completion", "completion tcsh", "completion bash zsh"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    command(&output, rows[i]);
    expect_code(&output, 2);
    expect_text(output.err, "name a shell: bash, zsh or fish");
  }
}
