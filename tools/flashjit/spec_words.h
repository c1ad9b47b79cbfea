/* A spec on the command line. */
#ifndef TOOLS_FLASHJIT_SPEC_WORDS_H
#define TOOLS_FLASHJIT_SPEC_WORDS_H

#include "tools/flashjit/option_table.h"
#include "tools/flashjit/snippet.h"

#include "flashjit.h"

#include <stdbool.h>

/* The spec that the arguments are, as one text, which is kept. CLI_OK, or the exit code after a complaint. */
int spec_words(const char *command, int count, char **words, char text[FI_SPEC_TEXT_SIZE], fi_spec *spec);

/* One spec for a target, which is all that a command looks at. */
struct spec_choice {
  const char *target;
  struct snippet_option snippet;
  bool json;
  char text[FI_SPEC_TEXT_SIZE]; /* as it was given */
  fi_spec spec;
};

extern const struct cli_option spec_options[];

/* Takes these options and the spec. False with an exit code: after a complaint, or after --help. */
bool spec_choose(const struct cli_command *command, int argc, char **argv, struct spec_choice *choice, int *code);

#endif
