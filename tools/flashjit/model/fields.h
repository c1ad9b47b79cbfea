/* Names of the fields of configs: their aliases, and which fields no reader understands. */
#ifndef TOOLS_FLASHJIT_MODEL_FIELDS_H
#define TOOLS_FLASHJIT_MODEL_FIELDS_H

#include "tools/flashjit/model/config.h"

/* The names of a field, NULL at the end; of one that has no aliases, only itself. Valid until the thread's next call.
 */
const char *const *field_names(const char *field);

/*
 * Whether every field of the language model that could change attention is one that a reader understands, has been
 * found to matter nothing, or says that it is off. Else a problem that names it.
 */
bool fields_are_understood(struct config *config);

#endif
