/* The numbers of a tile plan. */
#include "tile.h"

#include "derived.h"

#include <string.h>

uint32_t tile_step_tokens(const struct tile *tile) {
  return tile->teams * tile->team_tokens;
}

bool tile_mixes_rows(const struct tile *tile, const fi_spec *spec) {
  return spec->mask_bits || derived_hides_tokens(spec) ||
         (tile->tokens > 1 && (spec->mask == FI_MASK_CAUSAL || derived_has_intervals(spec)));
}

enum { SPLIT_MULTIPLE = 256 }; /* KV of an item of a fixed split begins at a multiple of it */

static uint32_t greatest_divisor(uint32_t a, uint32_t b) {
  return b ? greatest_divisor(b, a % b) : a;
}

uint32_t tile_box_tokens(const fi_spec *spec, uint32_t step_tokens) {
  if (spec->page_size == 0)
    return step_tokens;
  return greatest_divisor(greatest_divisor(spec->page_size, SPLIT_MULTIPLE), step_tokens);
}

uint32_t tile_fewest_rows(uint32_t heads) {
  uint32_t rows = 16;
  while (rows < heads)
    rows *= 2;
  return rows;
}

uint32_t tile_rows_asked(const fi_spec *spec) {
  return spec->rows > 0 ? spec->rows : tile_fewest_rows(spec->group);
}

void tile_add(struct tile *tile, const char *name, uint32_t value, const char *meaning) {
  if (tile->number_count < TILE_NUMBERS)
    tile->numbers[tile->number_count++] = (struct tile_number){name, value, meaning};
}

const struct tile_number *tile_find(const struct tile *tile, const char *name, size_t size) {
  for (uint32_t i = 0; i < tile->number_count; i++) {
    if (strlen(tile->numbers[i].name) == size && memcmp(tile->numbers[i].name, name, size) == 0)
      return &tile->numbers[i];
  }
  return NULL;
}
