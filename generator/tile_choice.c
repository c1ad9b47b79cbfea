/* The tile plan of a spec: that of the first family that has one. */
#include "tile_choice.h"

#include "derived.h"
#include "error.h"
#include "family.h"

#include <stdio.h>

enum { MOST_OUTPUTS = 32768 /* elements of O in registers, half of an SM's */ };

/* No tile is for the spec, however small its share of the group. */
static fi_status refuse(const fi_spec *spec, const struct target *target) {
  if (spec->family == FI_FAMILY_WGMMA && spec->q_dtype == FI_E4M3)
    return error_set(
        FI_ERROR_UNSUPPORTED,
        "family=wgmma has no tile of this spec on %s: with q=e4m3 it needs sm_90a, rows=128, K and V of e4m3, a "
        "head_dim of 64 to 256 and a v_dim of 64 to 128, multiples of 16, pages without or of a multiple of 8 tokens, "
        "no rotation, no snippet of weights, V that is not in K, no lists and no shared prefixes",
        target->name);
  if (spec->family == FI_FAMILY_WGMMA)
    return error_set(
        FI_ERROR_UNSUPPORTED,
        "family=wgmma has no tile of this spec on %s: it needs sm_90a, rows=128 (or 64, for heads of 64 to 128 dims "
        "of Q's type, pages without or of a multiple of 8 tokens, no shared prefixes), K and V of Q's type or of "
        "8 bits without scales of tokens, heads of 64 to 256 dims, multiples of 16 for 8 bits, K that "
        "is not rotated inside, no lists; with v_source=keys "
        "rows=64 or more, K of Q's type, v_dim a multiple of 128, a head_dim of it or up to 64 more, lists of one KV "
        "or none, a group that halves to 64 or less, no snippet of weights and no shared prefixes; with other V of "
        "512 dims the same, pages of a multiple of 8 tokens or none, no lists",
        target->name);
  const uint32_t heads = derived_least_heads(spec);
  const uint32_t rows = tile_fewest_rows(heads);
  char share[64] = "";
  if (heads < spec->group)
    snprintf(share, sizeof share, ", of which a tile has %u or more,", heads);
  if (rows * spec->v_dim > MOST_OUTPUTS)
    return error_set(FI_ERROR_UNSUPPORTED,
                     "group=%u%s with v_dim=%u has no tile: it would have %u rows, and O of more than %u rows does not "
                     "fit the registers of a CTA",
                     spec->group, share, spec->v_dim, rows, MOST_OUTPUTS / spec->v_dim);
  return error_set(FI_ERROR_UNSUPPORTED,
                   "group=%u%s with head_dim=%u has no tile that fits a CTA on %s, with %u bytes of shared memory",
                   spec->group, share, spec->head_dim, target->name, target->shared_per_block);
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
  return refuse(spec, target);
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
