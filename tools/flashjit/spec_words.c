/* A spec on the command line, in one argument or several. */
#include "tools/flashjit/spec_words.h"

#include "tools/flashjit/cli.h"

#include <stdbool.h>
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
