/* Makes the source of a kernel from the templates: docs of the directives are in render.c. */
#ifndef GENERATOR_RENDER_H
#define GENERATOR_RENDER_H

#include "flashjit.h"
#include "target.h"
#include "templates.h"
#include "tile.h"

#include <stddef.h>
#include <stdint.h>

/* What compilers call a source in their messages. */
#define SOURCE_NAME "flashjit.cu"

struct source {
  char *text;
  size_t size;         /* bytes of text, without the closing zero */
  const char *symbol;  /* of the kernel, extern "C" */
  const char *snippet; /* of the caller, kept as long as the process runs; NULL: none */
  struct tile tile;
  uint32_t lines;
};

/* Renders a canonical spec with a tile of tile_plan. Same spec, target and choice, same bytes. */
fi_status render_source(const fi_spec *canonical, const struct target *target, uint32_t choice, struct source *out);

/* The same from other templates. FI_ERROR_COMPILE, with file and line, when a directive is wrong. */
fi_status render_templates(const struct template_set *set, const fi_spec *canonical, const struct target *target,
                           uint32_t choice, struct source *out);

void source_free(struct source *source);

#endif
