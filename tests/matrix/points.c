/* Lists of points. */
#include "tests/matrix/points.h"

#include "generator/spec.h"

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

bool points_canonical(const struct target_list *targets, const struct point *point, struct point *canonical) {
  canonical->target = point->target;
  return fi_spec_supported(&point->spec, targets->of[point->target]->name) == FI_OK &&
         spec_canonical(&point->spec, &canonical->spec) == FI_OK;
}
