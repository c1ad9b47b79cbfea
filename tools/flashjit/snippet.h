/* The option --snippet: a file with C text that specs name by its hash. */
#ifndef TOOLS_FLASHJIT_SNIPPET_H
#define TOOLS_FLASHJIT_SNIPPET_H

#include "flashjit.h"

#include <stdbool.h>

/* What of --snippet [logit:|weight:]FILE; zero: it was not given. */
struct snippet_option {
  uint32_t kind; /* FI_SNIPPET_; logit where the option says none */
  uint64_t hash;
};

/* Reads and registers the file of an option; false after a complaint. A later one replaces an earlier one. */
bool snippet_option(const char *command, const char *text, struct snippet_option *option);

/* Gives the hash to a spec of attention with a snippet that has none yet. */
void snippet_fill(const struct snippet_option *option, fi_spec *spec);

/* Makes it the snippet of a spec of attention. */
void snippet_set(const struct snippet_option *option, fi_spec *spec);

#endif
