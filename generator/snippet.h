/*
 * Snippets: C text of callers that becomes part of kernels. Each is kept under its hash, for the process and as long as
 * it runs, so that a spec names a text by a number and rendering needs nothing but a spec.
 */
#ifndef GENERATOR_SNIPPET_H
#define GENERATOR_SNIPPET_H

#include "flashjit.h"
#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* What a text must be: there, not too long, and without files of its own. FI_ERROR_ARGUMENT says what it is not. */
fi_status snippet_check(const char *text);

/* Finds what makes a text depend on a file: *found is its name, such as "include", or NULL. */
fi_status snippet_find_file(const char *text, const char **found);

/* Keeps a copy of a text under its hash; a text that is kept already is left alone. Any thread may call it. */
fi_status snippet_keep(const char *text, uint64_t hash);

/* The text of a canonical spec's snippet; NULL for a spec without one. FI_ERROR_SPEC when nobody has registered it. */
fi_status snippet_of(const fi_spec *canonical, const char **text);

/*
 * Adds the end of a source of this name: the text of its spec's snippet, with line numbers of its own, and its call.
 * Returns the lines of the whole.
 */
uint32_t snippet_print(const fi_spec *canonical, const char *snippet, const char *source_name, struct text *source);

#endif
