/* A spec on the command line. */
#ifndef TOOLS_FLASHJIT_SPEC_WORDS_H
#define TOOLS_FLASHJIT_SPEC_WORDS_H

#include "flashjit.h"

/* The spec that the arguments are, as one text, which is kept. CLI_OK, or the exit code after a complaint. */
int spec_words(const char *command, int count, char **words, char text[FI_SPEC_TEXT_SIZE], fi_spec *spec);

#endif
