/*
 * Steps through the supported specs of an op like an odometer whose wheels are the axes, the last one turning
 * fastest. An axis begins at its default and goes on through its other values; one that does not matter stays
 * at its default.
 */
#include "spec.h"

#include "abi.h"
#include "axes.h"
#include "tile_choice.h"

#include <stdbool.h>

/* The value after `value`, in the order default, then the listed values; false after the last. */
static bool next_value(const struct axis *axis, const fi_spec *spec, uint32_t *value) {
  const uint32_t first = axis_default(axis, spec);
  const uint32_t count = axis_value_count(axis);
  uint32_t i = 0;
  if (*value != first) {
    while (i < count && axis_value(axis, i) != *value)
      i++;
    i++;
  }
  while (i < count && axis_value(axis, i) == first)
    i++;
  if (i >= count)
    return false;
  *value = axis_value(axis, i);
  return true;
}

static void reset_after(uint32_t number, fi_spec *spec) {
  const struct axis *axis;
  for (uint32_t i = number + 1; (axis = axis_at(i)); i++)
    axis_set(axis, spec, axis_default(axis, spec));
}

/* The family stays what the tile plan makes of it: naming one gives no other kernels. */
static bool is_family(const struct axis *axis) {
  return axis->offset == offsetof(fi_spec, family);
}

/* Turns the odometer by one; false when it has gone around. The op, axis 0, never turns. */
static bool turn(fi_spec *spec) {
  uint32_t count = 1;
  while (axis_at(count))
    count++;
  for (uint32_t i = count - 1; i > 0; i--) {
    const struct axis *axis = axis_at(i);
    uint32_t value = axis_get(axis, spec);
    if (is_family(axis) || !axis_matters(axis, spec) || !next_value(axis, spec, &value))
      continue;
    axis_set(axis, spec, value);
    reset_after(i, spec);
    return true;
  }
  return false;
}

static bool supported(const fi_spec *spec) {
  fi_spec canonical;
  struct tile tile;
  return spec_canonical(spec, &canonical) == FI_OK && tile_plan(&canonical, NULL, 0, &tile) == FI_OK;
}

int fi_spec_next(fi_spec *spec) {
  if (abi_check(ABI_spec, spec) != FI_OK || !axis_allows(axis_at(0), spec->op))
    return 0;
  /* Canonical specs have a v_dim, so a spec that has none has not been stepped yet. */
  bool more = true;
  if (spec->v_dim == 0)
    reset_after(0, spec);
  else
    more = turn(spec);
  while (more && !supported(spec))
    more = turn(spec);
  return more;
}
