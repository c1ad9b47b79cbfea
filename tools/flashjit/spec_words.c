/* A spec on the command line, in one argument or several. */
#include "tools/flashjit/spec_words.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/options.h"

#include <stdio.h>

/* False when it is too long. */
static bool join(int count, char **words, char *text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < count; i++) {
    int length = snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "", words[i]);
    used += (size_t)length;
    if (used >= size)
      return false;
  }
  return true;
}

int spec_words(const char *command, int count, char **words, char text[FI_SPEC_TEXT_SIZE], fi_spec *spec) {
  if (count == 0)
    return usage_error(command, "the spec is missing");
  if (!join(count, words, text, FI_SPEC_TEXT_SIZE))
    return usage_error(command, "the spec is longer than %d characters", FI_SPEC_TEXT_SIZE - 1);
  if (fi_spec_parse(text, spec))
    return usage_error(command, "%s", fi_last_error());
  return CLI_OK;
}

enum { OPTION_TARGET = OPTIONS_OF_MODEL, OPTION_JSON };

const struct cli_option spec_options[] = {
    {"target", 0, "TARGET", "default: sm_90a", OPTION_TARGET},
    {"snippet", 0, "FILE", "the text of a spec with snippet=logit or snippet=weight", OPTION_SNIPPET},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

struct spec_taker {
  const char *command;
  struct spec_choice *choice;
};

static bool take_option(void *user, int code, char *text) {
  const struct spec_taker *taker = user;
  taker->choice->json |= code == OPTION_JSON;
  if (code == OPTION_SNIPPET)
    return snippet_option(taker->command, text, &taker->choice->snippet);
  if (code != OPTION_TARGET)
    return true;
  taker->choice->target = text;
  return option_target(taker->command, text);
}

bool spec_choose(const struct cli_command *command, int argc, char **argv, struct spec_choice *choice, int *code) {
  struct spec_taker taker = {command->name, choice};
  int first;
  *choice = (struct spec_choice){.target = "sm_90a"};
  *code = cli_parse(command, argc, argv, take_option, &taker, &first);
  if (*code >= 0)
    return false;
  *code = spec_words(command->name, argc - first, argv + first, choice->text, &choice->spec);
  snippet_fill(&choice->snippet, &choice->spec);
  return *code == CLI_OK;
}
