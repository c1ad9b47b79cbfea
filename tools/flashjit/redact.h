/* Takes what tells of a person or a machine out of a text. */
#ifndef TOOLS_FLASHJIT_REDACT_H
#define TOOLS_FLASHJIT_REDACT_H

#include <stddef.h>

/*
 * Copies a text, cut to the size, with PATH for each absolute path, and for each that the environment names (HOME, the
 * working directory, what FLASHJIT_ variables hold), blanks in it included; and NAME for user and host, with the
 * domain, where they are words.
 */
void redact(const char *text, char *out, size_t size);

#endif
