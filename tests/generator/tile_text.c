/* Tiles of specs that are written as text: see tile_text.h. */
#include "tile_text.h"

#include "generator/spec.h"
#include "generator/tile_choice.h"

#include <criterion/criterion.h>
#include <string.h>

uint32_t number(const struct tile *tile, const char *name) {
  const struct tile_number *found = tile_find(tile, name, strlen(name));
  cr_assert_not_null(found, "%s", name);
  return found->value;
}

struct tile tile_of(const char *text, const char *target) {
  fi_spec spec;
  fi_spec canonical;
  struct tile tile;
  cr_assert_eq(fi_spec_parse(text, &spec), FI_OK, "%s", fi_last_error());
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK, "%s", fi_last_error());
  cr_assert_eq(tile_plan(&canonical, target_find(target), 0, &tile), FI_OK, "%s", fi_last_error());
  return tile;
}
