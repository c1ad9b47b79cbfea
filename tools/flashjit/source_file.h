/* The option --source: a file in place of the generated source of one kernel, which its first line names. */
#ifndef TOOLS_FLASHJIT_SOURCE_FILE_H
#define TOOLS_FLASHJIT_SOURCE_FILE_H

#include "flashjit.h"

#include <stdbool.h>

/* Contexts that are made from now on take the file (FLASHJIT_SOURCE), and complain when it is none. */
void source_file_use(const char *path);

/* Their text for a table of options. */
#define SOURCE_FILE_HELP                                                                                               \
  "an edited source, as 'show' prints it, in place of that of the kernel which its first\n"                            \
  "line names; with line numbers for profilers, and a cache entry of its own"

/* Whether a kernel of this spec is made of that file. */
bool source_file_is_of(const char *spec);

/* The file's path, and its text, to be freed; that is NULL after a complaint. For a spec that is of it. */
const char *source_file_path(void);
char *source_file_text(void);

#endif
