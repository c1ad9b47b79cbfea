/* Lists of specs, and the full product. */
#include "tests/matrix/points.h"

#include "generator/spec.h"

#include <stdlib.h>

void points_add(struct points *points, const fi_spec *canonical) {
  if (points->count == points->capacity) {
    const size_t capacity = points->capacity ? 2 * points->capacity : 256;
    fi_spec *specs = realloc(points->specs, capacity * sizeof *specs);
    points->failed |= !specs;
    if (!specs)
      return;
    points->specs = specs;
    points->capacity = capacity;
  }
  points->specs[points->count++] = *canonical;
}

void points_free(struct points *points) {
  free(points->specs);
  *points = (struct points){0};
}

bool points_canonical(const fi_spec *spec, fi_spec *canonical) {
  return fi_spec_supported(spec, NULL) == FI_OK && spec_canonical(spec, canonical) == FI_OK;
}

/* Like counting: the first dimension that can goes on to its next value, those before it begin again. */
static bool next_combination(const struct dimensions *dimensions, uint32_t choice[MOST_DIMENSIONS]) {
  for (uint32_t d = 0; d < dimensions->count; d++) {
    choice[d]++;
    if (choice[d] < dimensions->of[d].product.count)
      return true;
    choice[d] = 0;
  }
  return false;
}

void points_product(const struct dimensions *dimensions, struct points *points) {
  uint32_t choice[MOST_DIMENSIONS] = {0};
  do {
    fi_spec canonical;
    fi_spec spec = {.struct_size = sizeof spec, .op = dimensions->op};
    for (uint32_t d = 0; d < dimensions->count; d++)
      dimension_set(&dimensions->of[d], &spec, dimensions->of[d].product.values[choice[d]]);
    if (points_canonical(&spec, &canonical))
      points_add(points, &canonical);
  } while (next_combination(dimensions, choice));
}
