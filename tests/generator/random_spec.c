/* xorshift64* and specs made of it. */
#include "random_spec.h"

#include "generator/axes.h"

uint32_t random_below(struct random_source *source, uint32_t limit) {
  source->state ^= source->state >> 12;
  source->state ^= source->state << 25;
  source->state ^= source->state >> 27;
  return (uint32_t)((source->state * UINT64_C(2685821657736338717)) >> 32) % limit;
}

static uint32_t random_value(struct random_source *source, const struct axis *axis) {
  if (axis_is_range(axis) && axis->range_maximum > axis->range_last && random_below(source, 8) == 0)
    return axis->range_maximum;
  if (axis_is_range(axis)) {
    const uint32_t steps = (axis->range_last - axis->range_minimum) / axis->range_step;
    return axis->range_minimum + axis->range_step * random_below(source, steps + 1);
  }
  return axis_value(axis, random_below(source, axis_value_count(axis)));
}

fi_spec random_spec(struct random_source *source, uint32_t op) {
  fi_spec spec = {.struct_size = sizeof spec, .op = op};
  const struct axis *axis;
  for (uint32_t i = 1; (axis = axis_at(i)); i++) {
    if (random_below(source, 3) > 0)
      axis_set(axis, &spec, random_value(source, axis));
  }
  if (spec.snippet != FI_SNIPPET_NONE)
    spec.snippet_hash = (uint64_t)random_below(source, UINT32_MAX) << 32 | random_below(source, UINT32_MAX);
  if (random_below(source, 2)) {
    spec.rope_dim = spec.rope_dim / 2 * 2;
    spec.rope_first = spec.rope_first / 2 * 2;
  }
  if (random_below(source, 2))
    spec.rope_first = 0;
  return spec;
}
