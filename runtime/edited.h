/*
 * A source that somebody has written in place of the generated one of a spec: the file that FLASHJIT_SOURCE names. The
 * spec is in its first line, as rendered sources have it. Launches and plans stay those of the spec and its tile.
 */
#ifndef RUNTIME_EDITED_H
#define RUNTIME_EDITED_H

#include "cache/io.h"
#include "generator/render.h"

struct edited {
  char *text;                   /* NULL: there is none. Begins with the name of the file for compilers and profilers */
  char spec[FI_SPEC_TEXT_SIZE]; /* of its kernel, with rows */
};

/* FI_ERROR_ARGUMENT when the file cannot be read or is no such source. path may be NULL: there is none. */
fi_status edited_read(const struct cache_io *io, const char *path, struct edited *edited);
void edited_free(struct edited *edited);

/* Whether it stands for the source of this spec. */
bool edited_is_of(const struct edited *edited, const char *spec);

/*
 * Puts it in place of the source's text. FI_ERROR_UNSUPPORTED when one of the numbers that spec and tile have at the
 * beginning of the source is another one in the text: launches go by them.
 */
fi_status edited_use(const struct edited *edited, struct source *source);

#endif
