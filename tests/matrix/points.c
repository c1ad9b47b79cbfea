/* Lists of points. */
#include "tests/matrix/points.h"

#include "generator/spec.h"
#include "tests/snippet.h"

#include <stdlib.h>

void points_add(struct points *points, const struct point *canonical) {
  if (points->count == points->capacity) {
    const size_t capacity = points->capacity ? 2 * points->capacity : 256;
    struct point *of = realloc(points->of, capacity * sizeof *of);
    points->failed |= !of;
    if (!of)
      return;
    points->of = of;
    points->capacity = capacity;
  }
  points->of[points->count++] = *canonical;
}

void points_free(struct points *points) {
  free(points->of);
  *points = (struct points){0};
}

/* Registers the snippet of the tests once: its text is read anew each time, which took a quarter of listing points. */
static bool find_snippet(uint64_t *hash) {
  static uint64_t registered;
  if (!registered && fi_register_snippet(snippet_text, &registered))
    return false;
  *hash = registered;
  return true;
}

bool points_canonical(const struct target_list *targets, const struct point *point, struct point *canonical) {
  fi_spec spec = point->spec;
  canonical->target = point->target;
  if (spec.snippet != FI_SNIPPET_NONE && !find_snippet(&spec.snippet_hash))
    return false;
  return fi_spec_supported(&spec, targets->of[point->target]->name) == FI_OK &&
         spec_canonical(&spec, &canonical->spec) == FI_OK;
}
