/* The tile plan of a spec: that of the first family that has one. */
#include "tile_choice.h"

#include "error.h"
#include "family.h"

enum { MOST_OUTPUTS = 32768 /* elements of O in registers, half of an SM's */ };

/* The fewest rows of a tile that holds all heads of a query token. */
static uint32_t rows_of_token(const fi_spec *spec) {
  uint32_t rows = 16;
  while (rows < spec->group)
    rows *= 2;
  return rows;
}

fi_status tile_plan(const fi_spec *spec, const struct target *target, uint32_t choice, struct tile *tile) {
  if (!target)
    target = target_find("sm_90a");
  uint32_t left = choice;
  const struct family *family;
  for (uint32_t i = 0; (family = family_at(i)); i++) {
    *tile = (struct tile){.family = family};
    if (family_serves(family, spec) && family->plan(spec, target, &left, tile))
      return FI_OK;
  }
  if (left < choice)
    return error_set(FI_ERROR_UNSUPPORTED, "there is no tile of number %u", choice);
  if (spec->family == FI_FAMILY_WGMMA)
    return error_set(
        FI_ERROR_UNSUPPORTED,
        "family=wgmma has no tile of this spec on %s: it needs sm_90a, rows=128, K and V of Q's type or of "
        "8 bits without scales of tokens, heads of 64 to 256 dims, multiples of 16 for 8 bits, K that "
        "is not rotated inside, and V of its own",
        target->name);
  const uint32_t rows = rows_of_token(spec);
  if (rows * spec->v_dim > MOST_OUTPUTS)
    return error_set(FI_ERROR_UNSUPPORTED,
                     "group=%u with v_dim=%u has no tile: one that holds the group has %u rows, and O of more than "
                     "%u rows does not fit the registers of a CTA",
                     spec->group, spec->v_dim, rows, MOST_OUTPUTS / spec->v_dim);
  return error_set(FI_ERROR_UNSUPPORTED,
                   "group=%u with head_dim=%u has no tile that fits a CTA on %s, with %u bytes of shared memory",
                   spec->group, spec->head_dim, target->name, target->shared_per_block);
}

fi_status tile_first(const fi_spec *spec, const struct target *target, uint32_t shared, uint32_t *choice) {
  struct tile tile;
  fi_status status = tile_plan(spec, target, 0, &tile);
  uint32_t least = tile.shared_bytes;
  *choice = 0;
  if (status)
    return status;
  while (!status && tile.shared_bytes > shared) {
    status = tile_plan(spec, target, ++*choice, &tile);
    least = !status && tile.shared_bytes < least ? tile.shared_bytes : least;
  }
  if (!status)
    return FI_OK;
  return error_set(FI_ERROR_UNSUPPORTED,
                   "the kernel, which is for %s, needs %u bytes of shared memory with the least of its %u tiles; a CTA "
                   "on the device has %u",
                   target->name, least, *choice, shared);
}
