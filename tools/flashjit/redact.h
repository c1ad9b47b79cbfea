/* Takes what tells of a person or a machine out of a text. */
#ifndef TOOLS_FLASHJIT_REDACT_H
#define TOOLS_FLASHJIT_REDACT_H

#include <stddef.h>

/* Copies a text with PATH for each absolute path, and NAME for the names of user and host where they are words; cut to
 * the size. */
void redact(const char *text, char *out, size_t size);

#endif
