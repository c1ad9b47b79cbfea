/* Makes the source of a kernel from the templates: docs of the directives are in render.c. */
#ifndef GENERATOR_RENDER_H
#define GENERATOR_RENDER_H

#include "flashjit.h"
#include "target.h"
#include "templates.h"
#include "tile.h"

#include <stddef.h>
#include <stdint.h>

struct source {
  char *text;
  size_t size;        /* bytes of text, without the closing zero */
  const char *symbol; /* of the kernel, extern "C" */
  struct tile tile;
  uint32_t lines;
};

/* Renders a canonical spec. Same spec and target, same bytes. */
fi_status render_source(const fi_spec *canonical, const struct target *target, struct source *out, char *why,
                        size_t why_size);

/* The same from other templates. FI_ERROR_COMPILE, with file and line in why, when a directive is wrong. */
fi_status render_templates(const struct template_set *set, const fi_spec *canonical, const struct target *target,
                           struct source *out, char *why, size_t why_size);

void source_free(struct source *source);

#endif
